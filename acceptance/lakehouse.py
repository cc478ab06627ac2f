"""A lakehouse server: started for the run, or one that runs already."""

import contextlib
import http.client
import io
import json
import os
import shutil
import subprocess
import tempfile
import threading
from typing import Any, Dict, Iterator, List, Optional, Tuple
from urllib.parse import quote, urlsplit

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
START_TIMEOUT_S = 30
# Of one call: a conversion of a large file is silent for long.
CALL_TIMEOUT_S = 1800


class Refused(Exception):
    """A problem (RFC 9457) in answer to a call."""

    def __init__(self, status: int, problem: Dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code', 'no problem document')}")
        self.status = status
        self.problem = problem


class Unreachable(Exception):
    """The server is not there, does not start, or broke off an answer."""


class Lakehouse:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise Unreachable(f"{url} is no http URL")
        connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connect = lambda: connection(parts.hostname, parts.port, timeout=CALL_TIMEOUT_S)
        token = os.environ.get("LAKEHOUSE_TOKEN")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def ingest(self, name: str, path: str) -> Dict[str, Any]:
        """Sends the bytes of the file as they are. Raises Refused."""
        headers = {"content-type": "text/csv", "content-length": str(os.path.getsize(path))}
        if path.lower().endswith(".gz"):
            headers["content-encoding"] = "gzip"
        with open(path, "rb") as file:
            target = f"/ingest?report=true&name={quote(name)}"
            with self._call("POST", target, file, headers) as response:
                return json.load(response)

    def has_dataset(self, name: str) -> bool:
        try:
            with self._call("GET", f"/catalog/manifest/{quote(name)}"):
                return True
        except Refused as refused:
            if refused.status == 404:
                return False
            raise

    def delete(self, name: str) -> None:
        with self._call("DELETE", f"/catalog/manifest/{quote(name)}"):
            pass

    def sql_types(self, name: str) -> List[Tuple[str, str]]:
        """Name and SQL type of every column."""
        with self._sql(f'DESCRIBE "{name}"', "application/json") as response:
            answer = json.load(response)
        return [(row[0], row[1]) for row in answer["rows"]]

    @contextlib.contextmanager
    def rows(self, name: str) -> Iterator[Iterator[bytes]]:
        """Every row as one line of JSON, in the order of the data object."""
        with self._sql(f'SELECT * FROM "{name}"', "application/x-ndjson") as response:
            yield iter(io.BufferedReader(response, 1 << 20).readline, b"")

    def _sql(self, statement: str, accept: str) -> Any:
        body = json.dumps({"sql": statement}).encode()
        headers = {"content-type": "application/json", "accept": accept}
        return self._call("POST", "/sql", body, headers)

    @contextlib.contextmanager
    def _call(self, method: str, target: str, body: Any = None, headers: Any = None) -> Iterator[Any]:
        connection = self._connect()
        try:
            try:
                connection.request(method, target, body, {**self._headers, **(headers or {})})
            except (BrokenPipeError, ConnectionResetError):
                # It refused before the last byte was sent: its answer is there to be read.
                pass
            response = connection.getresponse()
            if response.status >= 300:
                raise Refused(response.status, _problem(response))
            yield response
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{method} {target.split('?')[0]}: {error!r}") from error
        finally:
            connection.close()


def _problem(response: http.client.HTTPResponse) -> Dict[str, Any]:
    try:
        problem = json.loads(response.read())
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


@contextlib.contextmanager
def started(binary: Optional[str]) -> Iterator[Lakehouse]:
    """A server with all plugins on a folder of its own, from source or the given binary."""
    folder = tempfile.mkdtemp(prefix="lakehouse-acceptance-")
    command = [os.path.abspath(binary)] if binary else [_bun(), os.path.join(ROOT, "core", "main.ts")]
    environment = {
        **os.environ,
        "LAKEHOUSE_SERVER_BIND": "127.0.0.1:0",
        "LAKEHOUSE_SERVER_SCRATCH_PATH": os.path.join(folder, "scratch"),
        "LAKEHOUSE_PLUGINS_STORAGE_FS_ROOT": os.path.join(folder, "data"),
        # The read-back of a file is larger than the file.
        "LAKEHOUSE_LIMITS_RESULT_BYTES": str(1 << 40),
        "LAKEHOUSE_LIMITS_SQL_TIMEOUT_MS": str(CALL_TIMEOUT_S * 1000),
    }
    try:
        try:
            process = subprocess.Popen(
                [*command, "serve"], cwd=folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise Unreachable(f"{command[0]} does not start: {error}") from error
        try:
            yield Lakehouse(_listening_url(process))
        finally:
            process.terminate()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _bun() -> str:
    installed = os.path.join(ROOT, "node_modules", ".bin", "bun")
    return installed if os.path.exists(installed) else "bun"


def _listening_url(process: subprocess.Popen) -> str:
    timer = threading.Timer(START_TIMEOUT_S, process.kill)
    timer.start()
    log = []
    try:
        for line in process.stderr:
            log.append(line.decode(errors="replace"))
            if b'"listening"' in line:
                # The log goes on; a full pipe would stop the server.
                threading.Thread(target=_drain, args=(process.stderr,), daemon=True).start()
                return json.loads(line)["url"]
    finally:
        timer.cancel()
    raise Unreachable("the server does not start:\n" + "".join(log[-20:]))


def _drain(stream: Any) -> None:
    for _ in stream:
        pass
