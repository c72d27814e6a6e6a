"""Starts, stops and breaks the embedded stack; used by demo, up and down, and by the tests.

    with Stack(tmp_path / "state", replicas=2) as stack:
        httpx2.get(stack.url)
        stack.kill("documents-1")

Plain and synchronous; several stacks run in parallel from different state folders.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import ssl
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import parse_qs, urlencode, urlsplit

import urllib3
from minio import Minio

from deploy.local import broker, database, objects, ports, system
from deploy.local.authority import Authority, Certificate, Keys, ensure_private, write_private
from deploy.local.database import Installation
from deploy.local.objects import Buckets
from deploy.local.processes import STATE_VARIABLE, Process, Spawner, leftovers, wait_until
from deploy.local.system import PARTS, Part

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_STATE = ROOT / ".state"
MAX_REPLICAS = 4
STEP_TIMEOUT = 120.0

# (title of what became ready, seconds it took)
Report = Callable[[str, float], None]


class StackError(Exception):
    """A part did not become ready, or something is in the way; the message has its last log lines."""


@dataclass
class _Step:
    """Something that must be done before the stack is ready."""

    name: str
    title: str
    needs: tuple[str, ...]
    begin: Callable[[], None]
    # Whether it is finished; raises StackError when it has failed.
    finished: Callable[[], bool]
    timeout: float
    started: float | None = None


class Stack:
    """The engines, the OIDC provider and (unless `services=False`) the four services.

    `overrides` adds or (with None) removes environment variables of a process, by its name
    ("documents-2"), its part ("documents") or "*" for all services; for services without the prefix
    KANKETSU_. `port` is the gateway's HTTP port; without it a free one, and the same again at every later
    start from the same folder.
    """

    def __init__(
        self,
        state: Path,
        *,
        replicas: int = 1,
        services: bool = True,
        overrides: Mapping[str, Mapping[str, str | None]] | None = None,
        port: int | None = None,
        tenant: str = "minoh",
        samples: Path | None = None,
        report: Report | None = None,
    ) -> None:
        if not 1 <= replicas <= MAX_REPLICAS:
            raise StackError(f"replicas must be 1 to {MAX_REPLICAS}")
        self.state = state.resolve()
        self.replicas = replicas
        self.tenant = tenant
        self.buckets = Buckets.of(tenant)
        self.samples = samples or ROOT / "samples" / tenant
        self.overrides = {name: dict(values) for name, values in (overrides or {}).items()}
        self.parts = tuple(part for part in PARTS if services or part.kind != "service")
        self.keys = Keys(self.state / "keys")
        self.authority = Authority(self.state / "tls", tenant, f"Kanketsu {tenant} CA")
        self.processes: dict[str, Process] = {}
        self._report = report or (lambda title, seconds: None)
        # Processes that should run now; what is in here and does not run has died by itself.
        self._wanted: set[str] = set()
        self._wished_port = port
        self._facts: dict[str, object] = {}
        self._ports: dict[str, int] = {}
        self._block: ports.PortBlock | None = None
        self._lock: IO[str] | None = None
        self._spawner: Spawner | None = None
        self._installation: Installation | None = None

    # --- life -----------------------------------------------------------------------------------

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and return when all of it is ready. On failure everything is stopped again."""
        if not self.is_prepared:
            self.prepare()
        try:
            self._run(self._steps())
        except BaseException:
            self.stop()
            raise

    @classmethod
    def attached(cls, state: Path) -> Stack:
        """A view of the stack that another process runs from this folder: addresses, keys, readiness.

        It can look, and it cannot start or stop anything.
        """
        facts = read_facts(state)
        if not facts:
            raise StackError(f"there is no stack in {state}")
        stack = cls(state, replicas=int(str(facts["replicas"])), tenant=str(facts["tenant"]))
        stack._facts = facts
        stack._number_ports(int(str(facts["port_base"])))
        stack._ports["http-1"] = int(str(facts["http_port"]))
        stack._installation = database.installed(Path(str(facts["postgres_home"])))
        return stack

    @property
    def is_prepared(self) -> bool:
        """Whether this object holds the state folder: from `prepare` to `stop`."""
        return self._lock is not None

    def report_to(self, report: Report) -> None:
        """Who is told what became ready."""
        self._report = report

    def prepare(self) -> None:
        """Folders, keys, ports and configuration files; starts nothing."""
        self._make_state()
        self._take_lock()
        try:
            self._end_leftovers()
            self._spawner = Spawner()
            self._choose_ports()
            before = self._facts.get("postgres_home")
            self._installation = database.install(self.state, Path(str(before)) if before else None)
            self._facts["postgres_home"] = str(self._installation.home)
            self._facts |= {"tenant": self.tenant, "replicas": self.replicas}
            self._save_facts()
            self._write_files()
            self.processes = {name: self._process(part, name) for part in self.parts for name in self.names(part.name)}
        except BaseException:
            self._release()
            raise

    def stop(self) -> None:
        """Stop everything, the last first, and release the ports. What does not stop is killed."""
        if not self.is_prepared:
            return
        if self._spawner is not None:
            self._spawner.drain()
        long_running = {name for part in self.parts for name in self.names(part.name)}
        for name in self.processes.keys() - long_running:
            self.processes.pop(name).kill()
        for round_ in system.STOP_ROUNDS:
            self._stop([name for part in self.parts if part.name in round_ for name in self.names(part.name)])
        self._end_leftovers()
        if self._ports:
            objects.remove_sockets(self._ports[word] + ports.GRPC_OFFSET for word in self._part("store").ports)
        self._release()

    def remove(self) -> None:
        """Remove the state folder and, if PostgreSQL had to live elsewhere, its folder there. Stopped stacks only."""
        facts = read_facts(self.state)
        if not facts:
            return
        if self.is_prepared or leftovers([self.state, Path(str(facts["postgres_home"]))]):
            raise StackError("still running: stop it first (make down, or Ctrl-C in the demo)")
        database.remove(Path(str(facts["postgres_home"])), self.state)
        shutil.rmtree(self.state)

    def _release(self) -> None:
        if self._spawner is not None:
            self._spawner.close()
            self._spawner = None
        if self._block is not None:
            self._block.release()
            self._block = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --- one process ----------------------------------------------------------------------------

    def names(self, part: str) -> list[str]:
        """The processes of a part: "documents-1", "documents-2", … for services, the part's own name else."""
        if self._part(part).kind != "service":
            return [part]
        return [f"{part}-{replica}" for replica in range(1, self.replicas + 1)]

    def kind(self, name: str) -> system.Kind:
        """engine, provider or service."""
        return self._part_of(name).kind

    def start_one(self, name: str) -> None:
        """Start one process on its ports and wait until it is ready."""
        self._run([self._part_step(self._part_of(name), name, needs=())])

    def stop_one(self, name: str) -> None:
        """Stop one process gracefully and wait."""
        self._stop([name])

    def kill(self, name: str) -> None:
        """kill -9 one process and wait until it, and what it had started, is gone."""
        self._wanted.discard(name)
        self.processes[name].kill()
        if name == "postgres" and not wait_until(lambda: not leftovers([self.installation.home]), 30):
            raise StackError("PostgreSQL's children outlive their parent")

    def restart(self, name: str) -> None:
        """Stop (gracefully, if it runs) and start one process on the same ports."""
        self.stop_one(name)
        self.start_one(name)

    def send(self, name: str, number: signal.Signals) -> None:
        """A signal to one process and its group, e.g. SIGSTOP and SIGCONT."""
        self.processes[name].send(number)

    def is_running(self, name: str) -> bool:
        """Whether the process runs (ready or not)."""
        return name in self.processes and self.processes[name].is_running()

    def is_ready(self, name: str) -> bool:
        """Whether something answers on the process's ports now."""
        return self._answers(self._part_of(name), name)

    def dead(self) -> list[str]:
        """Processes that ended by themselves (not by `stop`, `stop_one` or `kill`), in the order of the table."""
        return [name for name in self.processes if name in self._wanted and not self.is_running(name)]

    def pid(self, name: str) -> int:
        """Process id of a running process."""
        pid = self.processes[name].pid
        if pid is None:
            raise StackError(f"{name} is not running")
        return pid

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.state / "logs" / f"{name}.log"

    def wipe_nats(self) -> None:
        """Throw away everything NATS holds. It must be stopped."""
        if self.is_running("nats"):
            raise StackError("stop nats before its data is wiped")
        shutil.rmtree(self.state / "nats" / "data", ignore_errors=True)

    def leftovers(self) -> list[int]:
        """Process ids that belong to this state folder, whoever started them. Empty after `stop`."""
        return leftovers(self._folders())

    # --- addresses, for tests and the command line --------------------------------------------------

    @property
    def url(self) -> str:
        """Where people go: the first gateway."""
        return f"http://localhost:{self._ports['http-1']}"

    @property
    def gateway_urls(self) -> list[str]:
        """Each gateway replica by itself."""
        return [f"http://localhost:{self._ports[f'http-{replica}']}" for replica in range(1, self.replicas + 1)]

    @property
    def issuer(self) -> str:
        """The OIDC issuer."""
        return f"http://localhost:{self._ports['oidc']}"

    @property
    def bucket(self) -> str:
        """Where content lies."""
        return self.buckets.content

    @property
    def nats_url(self) -> str:
        """Broker address."""
        return f"tls://127.0.0.1:{self._ports['nats']}"

    @property
    def s3_url(self) -> str:
        """S3 endpoint."""
        return f"http://127.0.0.1:{self._ports['s3']}"

    @property
    def installation(self) -> Installation:
        """Where PostgreSQL is and who runs it."""
        if self._installation is None:
            raise StackError("the stack was not started")
        return self._installation

    def port(self, word: str) -> int:
        """A port by its word: postgres, nats, s3, store_filer, oidc, grpc-documents-1, health-audit-2, http-1, …"""
        return self._ports[word]

    def targets(self, service: str) -> str:
        """gRPC targets of a service, comma separated."""
        return ",".join(f"127.0.0.1:{self._ports[f'grpc-{name}']}" for name in self.names(service))

    def database_url(self, role: str) -> str:
        """libpq URL of a role: documents_app, documents_owner, …, or `postgres` (superuser)."""
        name = "postgres-password" if role == database.SUPERUSER else f"{role}-password"
        return database.url(self._ports["postgres"], role, self.keys.read(name), system.DATABASE)

    def certificate(self, name: str) -> Certificate:
        """Certificate and key of a service, of `nats`, or of `admin` (for tests)."""
        return self.authority.certificate(name)

    def s3(self, identity: str = "app") -> Minio:
        """A client with the key of `documents` (app), of `audit`, or of the administrator (admin)."""
        return objects.client(self._ports["s3"], self.keys, identity)

    def nats_options(self, user: str = system.ADMIN) -> dict[str, object]:
        """Keyword arguments for `nats.connect` as one of the users; `admin` may do everything."""
        certificate = self.certificate(user)
        context = ssl.create_default_context(cafile=str(self.authority.ca_file))
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
        return {
            "servers": [self.nats_url],
            "tls": context,
            "nkeys_seed_str": self.keys.read(f"nats-{user}.nkey"),
            "inbox_prefix": f"_INBOX_{user}".encode(),
        }

    def access_token(self, login: str) -> str:
        """An access token of one of the sample staff (audience `kanketsu-api`, one hour), as the gateway gets it."""
        verifier, redirect_uri = secrets.token_urlsafe(48), f"{self.url}/callback"
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        chosen = {
            "response_type": "code",
            "client_id": system.OIDC_CLIENT_ID,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "login": login,
        }
        answer = self._post_to_issuer("/authorize", chosen)
        query = parse_qs(urlsplit(answer.headers.get("Location", "")).query)
        if "code" not in query:
            raise StackError(f"{login} cannot log in: {answer.status} {query}")
        redemption = {
            "grant_type": "authorization_code",
            "code": query["code"][0],
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": system.OIDC_CLIENT_ID,
            "client_secret": self.keys.read("oidc-client-secret"),
        }
        answer = self._post_to_issuer("/token", redemption)
        if answer.status != http.client.OK:
            raise StackError(f"no token for {login}: {answer.status} {answer.data.decode()}")
        return str(answer.json()["access_token"])

    def _post_to_issuer(self, path: str, fields: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        return urllib3.request(
            "POST",
            self.issuer + path,
            body=urlencode(fields),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            redirect=False,
            retries=False,
        )

    def environment(self, name: str) -> dict[str, str]:
        """The whole environment of a process, overrides included."""
        part = self._part_of(name)
        words = self.words(name)
        own = {key: value.format_map(words) for key, value in part.environment.items()}
        scopes = ["*", part.name, name] if part.kind == "service" else [part.name]
        for scope in dict.fromkeys(scopes):
            for key, value in self.overrides.get(scope, {}).items():
                if value is None:
                    own.pop(key, None)
                else:
                    own[key] = value
        prefix = "KANKETSU_" if part.kind == "service" else ""
        return self._base_environment() | {prefix + key: value for key, value in own.items()}

    def words(self, name: str) -> dict[str, str]:
        """What the `{words}` of system.py stand for, in one process."""
        part = self._part_of(name)
        words = {
            "state": str(self.state),
            "tls": str(self.authority.folder),
            "keys": str(self.keys.folder),
            "root": str(ROOT),
            "python": sys.executable,
            "bin": sysconfig.get_path("scripts"),
            "samples": str(self.samples),
            "postgres_bin": str(self.installation.binaries),
            "postgres_home": str(self.installation.home),
            "postgres_socket": str(self.installation.socket_folder or ""),
            "tenant": self.tenant,
            "tenant_name": system.TENANT_NAMES.get(self.tenant, self.tenant),
            "bucket": self.bucket,
            "kept_bucket": self.buckets.kept,
            "live_bucket": self.buckets.live,
            "service": part.name,
            "process": name,
            "nats_url": self.nats_url,
            "s3_url": self.s3_url,
            "public_url": self.url,
            "oidc_issuer": self.issuer,
            "oidc_client_id": system.OIDC_CLIENT_ID,
        }
        for kind in ("grpc", "health"):
            if f"{kind}-{name}" in self._ports:
                words[f"{kind}_port"] = str(self._ports[f"{kind}-{name}"])
        if part.name == "gateway":
            words["http_port"] = str(self._ports[f"http-{name.rsplit('-', 1)[1]}"])
        for service in system.MIGRATED:
            words[f"{service}_targets"] = self.targets(service)
        for engine in PARTS:
            for word in engine.ports:
                words[f"{word}_port"] = str(self._ports[word])
                words[f"{word}_grpc_port"] = str(self._ports[word] + ports.GRPC_OFFSET)
        return words

    # --- sample data ----------------------------------------------------------------------------

    @property
    def is_loaded(self) -> bool:
        """Whether the sample city was loaded into this state folder."""
        return bool(self._facts.get("loaded"))

    def load_samples(self, *, documents: bool = False) -> None:
        """Load the sample city with the services' own loaders, each all or nothing, and remember that it is done.

        With `documents` also its receipts and documents, through the API; repeated after a crash it goes on.
        """
        for service, command in system.LOADS:
            self._run([self._command_step(f"load:{service}", f"samples → {service}", (), service, command, {})])
        if documents:
            step = self._command_step("load:city", "samples → 文書", (), "gateway", system.DOCUMENTS_LOAD, {})
            self._run([step])
        self._facts["loaded"] = True
        self._save_facts()

    # --- preparation ----------------------------------------------------------------------------

    def _make_state(self) -> None:
        # Under root another account must be able to pass to its own folder inside; it cannot list ours.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        self.state.mkdir(mode=mode, parents=True, exist_ok=True)
        for name in ("keys", "tls", "nats", "store", "logs"):
            (self.state / name).mkdir(mode=0o700, exist_ok=True)
        self._facts = read_facts(self.state)

    def _save_facts(self) -> None:
        write_private(self.state / "state.json", json.dumps(self._facts, indent=1).encode())

    def _take_lock(self) -> None:
        lock = (self.state / "lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StackError(f"another stack runs from {self.state} (make down stops it)") from None
        self._lock = lock

    def _choose_ports(self) -> None:
        before = self._facts.get("port_base")
        self._block = ports.reserve(before if isinstance(before, int) else None)
        self._facts["port_base"] = self._block.base
        self._number_ports(self._block.base)
        self._ports["http-1"] = self._http_port()

    def _number_ports(self, base: int) -> None:
        """The same word is always the same number in the block."""
        words = [word for part in PARTS for word in part.ports]
        self._ports = {word: base + offset for offset, word in enumerate(words)}
        offset = base + 10
        for part in PARTS:
            if part.kind != "service":
                continue
            for replica in range(1, MAX_REPLICAS + 1):
                first = f"http-{replica}" if part.name == "gateway" else f"grpc-{part.name}-{replica}"
                self._ports[first], self._ports[f"health-{part.name}-{replica}"] = offset, offset + 1
                offset += 2

    def _http_port(self) -> int:
        """The wished port, which must be free; else the one of last time if it is; else one of the block."""
        remembered = self._facts.get("http_port")
        chosen = self._ports["http-1"]
        if self._wished_port is not None:
            if not ports.is_free(self._wished_port):
                raise StackError(f"port {self._wished_port} is taken")
            chosen = self._wished_port
        elif isinstance(remembered, int) and ports.is_free(remembered):
            chosen = remembered
        self._facts["http_port"] = chosen
        return chosen

    def _write_files(self) -> None:
        for service in (*(part.name for part in PARTS if part.kind == "service"), "nats", system.ADMIN):
            self.authority.certificate(service)
        for name in ("identity", "receipt", "membership", "log", "handover", "witness"):
            self.keys.signing_key(name)
        # Whose logs we cosign and who cosigns ours: nobody, until somebody edits these.
        ensure_private(self.keys.folder / "witness-logs", lambda: b"# yearly <vkey>\n")
        ensure_private(self.keys.folder / "witness-policy", lambda: b"quorum none\n")
        self.keys.rsa_key("oidc")
        self.keys.random_key("kek")
        self.keys.password("oidc-client-secret")
        self.keys.password("postgres-password")
        for service in system.MIGRATED:
            for kind in ("owner", "app"):
                self.keys.password(f"{service}_{kind}-password")
            self.keys.text(f"{service}-database-url", self.database_url(f"{service}_app"))
            self.keys.text(f"{service}-migrate-database-url", self.database_url(f"{service}_owner"))
        self._write_nats()
        objects.write_configuration(
            self.state / "store",
            self.keys,
            # A CA of its own: a service's certificate must not open the store's inner ports.
            Authority(self.state / "tls" / "store", self.tenant, f"Kanketsu {self.tenant} store-internal CA"),
            objects.identities(self.buckets, self.keys),
        )

    def _write_nats(self) -> None:
        users = {}
        for user in (*system.NATS_PERMISSIONS, system.ADMIN):
            seed = broker.seed_file(self.keys.folder, user)
            users[user] = (broker.public_key(seed), system.NATS_PERMISSIONS.get(user))
        broker.write_configuration(
            self.state / "nats" / "nats.conf",
            name=f"kanketsu-{self.tenant}",
            port=self._ports["nats"],
            store=self.state / "nats" / "data",
            certificate=self.authority.certificate("nats"),
            ca_file=self.authority.ca_file,
            users=users,
        )

    def _folders(self) -> list[Path]:
        home = self._facts.get("postgres_home")
        return [self.state, *([Path(str(home))] if home else [])]

    def _end_leftovers(self) -> None:
        """What an earlier run left (it was killed a moment ago) gets time to end, then is killed by its id."""
        if wait_until(lambda: not self.leftovers(), 10):
            return
        for pid in self.leftovers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not wait_until(lambda: not self.leftovers(), 10):
            raise StackError(f"processes {self.leftovers()} of {self.state} survive SIGKILL")

    # --- processes ------------------------------------------------------------------------------

    def _part(self, name: str) -> Part:
        return next(part for part in PARTS if part.name == name)

    def _part_of(self, process: str) -> Part:
        head, _, tail = process.rpartition("-")
        return self._part(head if tail.isdigit() else process)

    def _base_environment(self) -> dict[str, str]:
        """What every child gets; nothing of ours leaks in but the search path and the place for temporary files."""
        environment = {
            "PATH": f"{sysconfig.get_path('scripts')}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.state),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'build' / 'stubs'}",
            "PYTHONUNBUFFERED": "1",
            # Threads that carry files would otherwise each keep an arena of their own.
            "MALLOC_ARENA_MAX": "2",
            # Parts of files go back to the system when they are done with; the allocator would keep room for them.
            "MALLOC_MMAP_THRESHOLD_": "1048576",
            STATE_VARIABLE: str(self.state),
        }
        if "TMPDIR" in os.environ:
            environment["TMPDIR"] = os.environ["TMPDIR"]
        return environment

    def _process(self, part: Part, name: str) -> Process:
        words = self.words(name)
        command = [word.format_map(words) for word in part.command]
        folder, user = ROOT, None
        if part.name == "postgres":
            installation = self.installation
            folder = installation.home
            user = (installation.account.uid, installation.account.gid) if installation.account else None
        elif part.name == "store":
            folder = self.state / "store"
        return Process(
            name,
            command,
            environment=self.environment(name),
            folder=folder,
            log=self.log(name),
            user=user,
            stop_signal=part.stop_signal,
            orphan_signal=part.orphan_signal,
        )

    def _stop(self, names: Iterable[str]) -> None:
        """Ask all, then wait for each as long as its part is given, then kill."""
        chosen = list(names)
        self._wanted.difference_update(chosen)
        asked = [self.processes[name] for name in chosen if name in self.processes]
        for process in asked:
            process.ask_to_stop()
        started = time.monotonic()
        for process in asked:
            allowed = self._part_of(process.name).stop_timeout - (time.monotonic() - started)
            if not process.wait(max(0.1, allowed)):
                process.kill()

    # --- becoming ready -------------------------------------------------------------------------

    def _steps(self) -> list[_Step]:
        steps: list[_Step] = []
        if not self.installation.data.exists():
            steps.append(self._initdb_step())
        names = {part.name for part in self.parts}
        for part in self.parts:
            needs = part.needs
            if part.name == "postgres" and steps:
                needs = ("initdb",)
            if part.kind == "service" and part.name in system.MIGRATED:
                steps.append(self._migrate_step(part.name))
            for name in self.names(part.name):
                steps.append(self._part_step(part, name, needs))
        known = {step.name for step in steps} | names
        for step in steps:
            step.needs = tuple(need for need in step.needs if need in known)
        return steps

    def _run(self, steps: list[_Step]) -> None:
        """Begin each step when what it needs is done; return when all are. Raises at the first failure."""
        done: set[str] = set()
        waiting = list(steps)
        while waiting:
            for step in list(waiting):
                if step.started is None:
                    if not done.issuperset(step.needs):
                        continue
                    step.started = time.monotonic()
                    step.begin()
                if step.finished():
                    done.add(step.name)
                    waiting.remove(step)
                    self._report(step.title, time.monotonic() - step.started)
                elif time.monotonic() - step.started > step.timeout:
                    raise self._failure(step.title, f"not ready after {step.timeout:.0f} s", step.name)
            time.sleep(0.02)

    def _part_step(self, part: Part, name: str, needs: tuple[str, ...]) -> _Step:
        def begin() -> None:
            process = self.processes[name] = self._process(part, name)
            process.start(self._running_spawner())
            self._wanted.add(name)

        def finished() -> bool:
            process = self.processes[name]
            if not process.is_running():
                raise self._failure(part.title, f"ended with code {process.exit_code}", name)
            if not self._answers(part, name):
                return False
            self._after_ready(name)
            return True

        title = part.title if self.replicas == 1 or part.kind != "service" else name
        return _Step(name, title, needs, begin, finished, part.start_timeout)

    def _initdb_step(self) -> _Step:
        installation = self.installation
        user = (installation.account.uid, installation.account.gid) if installation.account else None

        def begin() -> None:
            password = database.prepare_initdb(installation, self.keys.read("postgres-password"))
            process = self.processes["initdb"] = Process(
                "initdb",
                database.initdb_command(installation, password),
                environment=self._base_environment(),
                folder=installation.home,
                log=self.log("postgres"),
                user=user,
            )
            process.start(self._running_spawner())

        def finished() -> bool:
            if not self._succeeded("initdb", "PostgreSQL: new cluster"):
                return False
            database.adopt(installation)
            return True

        return _Step("initdb", "PostgreSQL: new cluster", (), begin, finished, STEP_TIMEOUT)

    def _migrate_step(self, service: str) -> _Step:
        extra = {f"KANKETSU_{key}": value for key, value in system.MIGRATE_ENVIRONMENT.items()}
        name = f"migrate:{service}"
        return self._command_step(name, f"migrations: {service}", ("postgres",), service, system.MIGRATE_COMMAND, extra)

    def _command_step(
        self,
        name: str,
        title: str,
        needs: tuple[str, ...],
        service: str,
        command: tuple[str, ...],
        extra: Mapping[str, str],
    ) -> _Step:
        """A command that runs once as a service: its environment, its log."""
        process_name = self.names(service)[0]

        def begin() -> None:
            words = self.words(process_name)
            process = self.processes[name] = Process(
                name,
                [word.format_map(words) for word in command],
                environment=self.environment(process_name)
                | {key: value.format_map(words) for key, value in extra.items()},
                folder=ROOT,
                log=self.log(name.replace(":", "-")),
            )
            process.start(self._running_spawner())

        return _Step(name, title, needs, begin, lambda: self._succeeded(name, title), STEP_TIMEOUT)

    def _succeeded(self, name: str, title: str) -> bool:
        process = self.processes[name]
        if process.is_running():
            return False
        if process.exit_code != 0:
            raise self._failure(title, f"failed with code {process.exit_code}", name)
        del self.processes[name]
        return True

    def _answers(self, part: Part, name: str) -> bool:
        kind, _, path = part.ready.partition(":")
        if kind == "postgres":
            return database.answers(self._superuser_url())
        if kind == "nats":
            return broker.answers(self._ports["nats"])
        if kind == "s3":
            return objects.answers(self._ports["s3"])
        if kind == "http":
            port = self._ports["oidc"] if part.name == "oidc" else self._ports[f"http-{name.rsplit('-', 1)[1]}"]
            return _http_answers(port, path)
        return _grpc_answers(self._ports[f"health-{name}"])

    def _after_ready(self, name: str) -> None:
        if name == "postgres":
            roles = {
                service: {kind: self.keys.read(f"{service}_{kind}-password") for kind in ("owner", "app")}
                for service in system.MIGRATED
            }
            database.provision(self._superuser_url(), system.DATABASE, roles, system.EXTENSIONS)
        elif name == "store":
            weed = str(Path(sysconfig.get_path("scripts")) / "weed")
            master = f"127.0.0.1:{self._ports['store_master']}"
            filer = f"127.0.0.1:{self._ports['store_filer']}"
            shell = (weed, "shell", f"-master={master}", f"-filer={filer}")
            objects.make_buckets(self._ports["s3"], self.keys, self.buckets.all, shell, self.state / "store")

    def _superuser_url(self) -> str:
        password = self.keys.read("postgres-password")
        return database.url(self._ports["postgres"], database.SUPERUSER, password, "postgres")

    def _running_spawner(self) -> Spawner:
        if self._spawner is None:
            raise StackError("the stack was not started")
        return self._spawner

    def _failure(self, title: str, what: str, name: str) -> StackError:
        process = self.processes.get(name)
        log = process.tail() if process is not None else ""
        return StackError(f"{title}: {what}\n{log}" + (f"\n(log: {process.log})" if process is not None else ""))


def read_facts(state: Path) -> dict[str, object]:
    """What earlier starts decided: ports, where PostgreSQL is, whether the samples are loaded."""
    path = state / "state.json"
    if not path.exists():
        return {}
    facts = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(facts, dict):
        raise StackError(f"{path} is damaged")
    return facts


def _http_answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _grpc_answers(port: int) -> bool:
    if ports.is_free(port):
        return False
    # Imported here: engines alone do not need it, and it is the slowest import of all.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
