"""Server-rendered pages: read the form, one client call, a template or a 303. No rule lives here."""
