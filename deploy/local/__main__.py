"""`python -m deploy.local demo | up | down | status | psql | clean`.

demo runs in the foreground until Ctrl-C; up and down do the same in the background. All state is
in one folder (--state, by default .state in the repository).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import unicodedata
from datetime import datetime
from pathlib import Path

from deploy.local import database, supervisor
from deploy.local.database import DatabaseError
from deploy.local.objects import ObjectStoreError
from deploy.local.oidc import staff
from deploy.local.ports import NoFreePorts, is_free
from deploy.local.stack import DEFAULT_STATE, MAX_REPLICAS, ROOT, Stack, StackError, read_facts

DEFAULT_PORT = 8080


def main(arguments: list[str]) -> int:
    """The exit code."""
    options = _parser().parse_args(arguments)
    options.state = options.state.resolve()
    try:
        return int(options.run(options))
    except (StackError, DatabaseError, ObjectStoreError, NoFreePorts) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: object, description: str, *, starts: bool = False) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=description, description=description)
        sub.add_argument("--state", type=Path, default=DEFAULT_STATE, help="folder of all state (%(default)s)")
        if starts:
            sub.add_argument(
                "--port", type=int, help=f"HTTP port of the gateway ({DEFAULT_PORT} if free, kept afterwards)"
            )
            sub.add_argument(
                "--replicas",
                type=int,
                default=1,
                choices=range(1, MAX_REPLICAS + 1),
                help="of each service (%(default)s)",
            )
        sub.set_defaults(run=run)
        return sub

    command("demo", demo, "start everything in the foreground, with the sample city", starts=True)
    command("up", up, "start everything in the background, with the sample city", starts=True)
    command("supervise", supervise, "what `up` runs in the background", starts=True)
    command("down", down, "stop what `up` started")
    command("status", status, "show what runs")
    command("clean", clean, "remove the state folder")
    sub = command("psql", psql, "open psql")
    sub.add_argument("--role", default=database.SUPERUSER, help="documents_app, documents_owner, … (%(default)s)")
    sub.add_argument("arguments", nargs="*", help="for psql itself, after --")
    return parser


def demo(options: argparse.Namespace) -> int:
    """In the foreground until Ctrl-C."""
    stack = _stack(options)
    print("Kanketsu を起動しています… Starting Kanketsu …", flush=True)
    started = time.monotonic()
    return supervisor.run(stack, _say, _progress, lambda: _announce(stack, time.monotonic() - started, "Ctrl-C"))


def up(options: argparse.Namespace) -> int:
    """In the background; returns when it is ready, or with the reason why it is not."""
    record = supervisor.Record(options.state)
    if record.running_pid() is not None:
        print(f"動いています / already running: {Stack.attached(options.state).url}")
        return 0
    started = time.monotonic()
    (options.state / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    record.path.unlink(missing_ok=True)
    log = options.state / "logs" / "supervisor.log"
    command = [sys.executable, "-m", "deploy.local", "supervise", "--state", str(options.state)]
    command += ["--replicas", str(options.replicas), *(["--port", str(options.port)] if options.port else [])]
    with log.open("ab") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    print("Kanketsu を起動しています… Starting Kanketsu …", flush=True)
    shown = 0
    try:
        while True:
            ended = child.poll() is not None
            current = record.read()
            progress = current.get("progress")
            for title, seconds in progress[shown:] if isinstance(progress, list) else ():
                _progress(title, seconds)
                shown += 1
            if current.get("state") == "ready":
                break
            if ended:
                message = str(current.get("message") or "") or _tail(log)
                sys.stderr.write(f"起動できませんでした。 Not started.\n{message}\n")
                return 1
            time.sleep(0.05)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        return 130
    _announce(Stack.attached(options.state), time.monotonic() - started, "make down")
    return 0


def supervise(options: argparse.Namespace) -> int:
    """The background process of `up`."""
    return supervisor.run(_stack(options), supervisor.say_to_stderr, lambda title, seconds: None, lambda: None)


def down(options: argparse.Namespace) -> int:
    """Stop and wait until nothing is left."""
    if not read_facts(options.state):
        print("動いていません / not running")
        return 0
    print("停止しました / stopped" if supervisor.end(options.state) else "動いていません / not running")
    return 0


def status(options: argparse.Namespace) -> int:
    """A line per process; exit code 1 when one does not answer."""
    stack = Stack.attached(options.state)
    record = supervisor.Record(options.state)
    running = record.running_pid() is not None
    pids = record.read().get("pids") if running else {}
    names = [name for part in stack.parts for name in stack.names(part.name)]
    ready = {name: stack.is_ready(name) for name in names}
    print(f"{stack.url}  ({'supervised' if running else 'not supervised'})  {stack.state}")
    for name in names:
        pid = pids.get(name) if isinstance(pids, dict) else None
        print(f"  {'✓' if ready[name] else '✗'} {name:14} pid {pid or '-':<8} {stack.log(name)}")
    return 0 if all(ready.values()) else 1


def psql(options: argparse.Namespace) -> int:
    """psql of the same release as the server."""
    stack = Stack.attached(options.state)
    return database.psql(stack.installation.binaries, stack.database_url(options.role), options.arguments)


def clean(options: argparse.Namespace) -> int:
    """Remove the state folder and, if PostgreSQL had to live elsewhere, its folder there."""
    if supervisor.Record(options.state).running_pid() is not None:
        raise StackError("still running: stop it first (make down, or Ctrl-C in the demo)")
    Stack(options.state).remove()
    return 0


def _stack(options: argparse.Namespace) -> Stack:
    port = options.port
    if port is None and not read_facts(options.state) and is_free(DEFAULT_PORT):
        port = DEFAULT_PORT
    return Stack(options.state, replicas=options.replicas, port=port)


def _progress(title: str, seconds: float) -> None:
    print(f"  ✓ {_padded(title, 34)} {seconds:5.1f} s", flush=True)


def _say(line: str) -> None:
    print(line, flush=True)


def _announce(stack: Stack, seconds: float, how_to_stop: str) -> None:
    directory = staff.read(stack.samples / "organisation", datetime.now().astimezone())
    print(f"\n準備ができました（{seconds:.1f} 秒）。 Ready in {seconds:.1f} s.\n\n  {stack.url}\n")
    print("ログインできる人（パスワードはありません）  Who can log in (no password)")
    for suggestion in directory.suggestions:
        person = suggestion.person
        post = f"{person.main_post.unit_name} {person.main_post.title}"
        absent = "・不在" if person.absent else ""
        print(f"  {_padded(person.name, 14)} {_padded(post, 34)} {suggestion.why_ja}{absent} / {suggestion.why_en}")
    print(f"  ほか {len(directory.by_login) - len(directory.suggestions)} 人 / and others: all are on the login page")
    print("""
試すこと  What to try
  1. 最初の人でログインし、収受 → 起案 → 添付 → 経路の確認 → 回議開始
     As the first person: receive an application, draft, attach a file, look at the route, circulate.
  2. 別のブラウザで次の人としてログインし、読んで承認、最後に決裁
     In another browser, as the next ones: read, approve, decide.
  3. 施行 → 完結。そのあと変更を試みても拒まれる  Dispatch, complete, then try to change it: refused.
  4. 競艇事業局の職員で検索しても何も出ない。監査の担当者には、すべての閲覧が見える
     Another body finds nothing, not even a count; the audit officer sees every access.
""")
    print(f"ログ  Logs    {stack.state / 'logs'}")
    print(f"停止  Stop    {how_to_stop}\n", flush=True)


def _padded(text: str, width: int) -> str:
    """Padded to a width in terminal columns: a Japanese character takes two, a variation selector none."""
    columns = sum(
        0 if unicodedata.category(char) == "Mn" else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
    return text + " " * max(0, width - columns)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
