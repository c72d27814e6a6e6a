"""What people see: login, sessions, the HTTP API and the pages. Keeps nothing durable."""
