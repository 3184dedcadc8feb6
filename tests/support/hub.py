"""A server with the hub's API for repositories of a test, with faults on request.

It answers the requests of the real client when it fetches a model or a dataset, and when it creates
a repository and commits to it: listing, metadata, downloads (with ranges), upload modes, LFS
uploads, commits. Repositories are kept in memory.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

LARGE = (".safetensors", ".parquet")  # kept as LFS objects
GRANTED, KNOWN = "hf_granted", "hf_known"  # tokens of accounts: licence accepted, and not

Files = dict[str, bytes]


@dataclass
class Repository:
    """One repository: files of every commit, and the commit of each branch."""

    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False

    def commit(self, files: Files) -> str:
        """Adds a commit to `main`; its hash."""
        content = b"".join(name.encode() + body for name, body in sorted(files.items()))
        sha = hashlib.sha1(content + str(len(self.commits)).encode()).hexdigest()
        self.commits[sha] = files
        self.branches["main"] = sha
        return sha


class Hub:
    """The repositories, the requests received, and the faults."""

    def __init__(self) -> None:
        self.url = ""
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {}  # uploaded by LFS, by SHA-256
        self.asked: list[tuple[str, str, str | None]] = []  # method, path, range
        self.sent: list[tuple[str, bytes]] = []  # path and body of what was posted
        self.cut: dict[str, int] = {}  # file: bytes after which its connection breaks, once
        self.changed: set[str] = set()  # files with a wrong byte on their way

    def add(self, name: str, files: Files, kind: str = "model", gated: bool = False) -> str:
        """A repository with one commit; the commit."""
        repository = self.repositories.setdefault((kind, name), Repository())
        repository.gated = gated
        return repository.commit(files)

    def downloads(self, file: str) -> list[str | None]:
        """The ranges of the requests for a file."""
        return [r for method, path, r in self.asked if method == "GET" and path.endswith(file)]


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a free port of this machine."""
    hub = Hub()
    handler = type("Bound", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def read_folder(folder: Path) -> Files:
    """The files of a folder, as a repository has them."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_large(name: str) -> bool:
    """Whether the hub keeps a file as an LFS object."""
    return name.endswith(LARGE)


def git_hash(content: bytes) -> str:
    """The name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def _handle(self) -> None:
        url = urlparse(self.path)
        path = unquote(url.path)
        self.hub.asked.append((self.command, path, self.headers.get("Range")))
        body = self._body()
        if body:
            self.hub.sent.append((path, body))
        routes: list[tuple[str, Any]] = [
            (r"/api/(model|dataset)s/([^/]+/[^/]+)/tree/([^/]+)/?(.*)", self._tree),
            (r"/api/(model|dataset)s/([^/]+/[^/]+)/paths-info/([^/]+)", self._paths),
            (r"/api/(model|dataset)s/([^/]+/[^/]+)/preupload/([^/]+)", self._preupload),
            (r"/api/(model|dataset)s/([^/]+/[^/]+)/commit/([^/]+)", self._commit),
            (r"/api/(model|dataset)s/([^/]+/[^/]+)/revision/([^/]+)", self._info),
            (r"/api/(model|dataset)s/([^/]+/[^/]+)", self._info),
            (r"/api/repos/create", self._create),
            (r"/api/validate-yaml", self._valid),
            (r"/lfs/([0-9a-f]{64})", self._upload),
            (r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self._batch),
            (r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._resolve),
        ]
        for pattern, answer in routes:
            if found := re.fullmatch(pattern, path):
                answer(*found.groups(), body=body, query=parse_qs(url.query))
                return
        self._error(404, None)

    # ---- reading -----------------------------------------------------------------------------

    def _info(self, kind: str, name: str, revision: str = "main", **_: Any) -> None:
        if found := self._at(kind, name, revision):
            sha, files = found
            siblings = [{"rfilename": path} for path in sorted(files)]
            self._json({"_id": "0" * 24, "id": name, "sha": sha, "siblings": siblings, "tags": []})

    def _tree(self, kind: str, name: str, revision: str, under: str, **_: Any) -> None:
        if found := self._at(kind, name, revision):
            files = {k: v for k, v in found[1].items() if not under or k.startswith(f"{under}/")}
            self._json([_entry(path, files[path]) for path in sorted(files)])

    def _paths(self, kind: str, name: str, revision: str, body: bytes, **_: Any) -> None:
        if found := self._at(kind, name, revision):
            wanted = json.loads(body)["paths"] if body.startswith(b"{") else []
            wanted = wanted or parse_qs(body.decode()).get("paths", [])
            self._json([_entry(path, found[1][path]) for path in wanted if path in found[1]])

    def _resolve(self, prefix: str | None, name: str, revision: str, file: str, **_: Any) -> None:
        kind = "dataset" if prefix else "model"
        found = self._at(kind, name, revision)
        if not found:
            return
        if self.hub.repositories[kind, name].gated and self._token() != GRANTED:
            self._error(403 if self._token() == KNOWN else 401, "GatedRepo")
            return
        sha, files = found
        if file not in files:
            self._error(404, "EntryNotFound", {"X-Repo-Commit": sha})
            return
        content = files[file]
        headers = {"X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        if is_large(file):
            headers["X-Linked-Etag"] = f'"{hashlib.sha256(content).hexdigest()}"'
            headers["X-Linked-Size"] = str(len(content))
            headers["ETag"] = '"of-the-pointer"'
        else:
            headers["ETag"] = f'"{git_hash(content)}"'
        if file in self.hub.changed:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        self._content(file, content, headers)

    def _content(self, file: str, content: bytes, headers: dict[str, str]) -> None:
        begin = 0
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            begin = int(asked[1])
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self.send_response(206 if begin else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        if self.command == "HEAD":
            return
        if file in self.hub.cut:
            self.wfile.write(content[begin : self.hub.cut.pop(file)])
            self.wfile.flush()
            self.close_connection = True  # in the middle of the file
            return
        self.wfile.write(content[begin:])

    # ---- writing -----------------------------------------------------------------------------

    def _create(self, body: bytes, **_: Any) -> None:
        asked = json.loads(body)
        if self._token() != GRANTED:
            self._error(401, None)
            return
        name = f"{asked['organization'] or 'somebody'}/{asked['name']}"
        key = (asked.get("type") or "model", name)
        if key in self.hub.repositories:
            self._json({"error": "exists", "url": f"{self.hub.url}/{name}"}, 409)
            return
        self.hub.repositories[key] = Repository()
        self.hub.add(name, {}, key[0])
        self._json({"url": f"{self.hub.url}/{name}", "name": name})

    def _valid(self, **_: Any) -> None:
        self._json({"errors": [], "warnings": []})

    def _preupload(self, kind: str, name: str, revision: str, body: bytes, **_: Any) -> None:
        if self._at(kind, name, revision):
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in json.loads(body)["files"]
            ]
            self._json({"files": files})

    def _batch(self, name: str, body: bytes, **_: Any) -> None:
        objects = [
            {
                **asked,
                "actions": {"upload": {"href": f"{self.hub.url}/lfs/{asked['oid']}", "header": {}}},
            }
            for asked in json.loads(body)["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _upload(self, oid: str, body: bytes, **_: Any) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            self._error(422, None)
            return
        self.hub.objects[oid] = body
        self._json({})

    def _commit(self, kind: str, name: str, revision: str, body: bytes, **_: Any) -> None:
        found = self._at(kind, name, revision)
        if not found:
            return
        files = dict(found[1])
        for line in body.splitlines():
            step = json.loads(line)
            value = step["value"]
            if step["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif step["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        sha = self.hub.repositories[kind, name].commit(files)
        self._json({"success": True, "commitOid": sha, "commitUrl": f"{name}/commit/{sha}"})

    # ---- answers -----------------------------------------------------------------------------

    def _at(self, kind: str, name: str, revision: str) -> tuple[str, Files] | None:
        """Commit and files; answers with an error where there is none."""
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            self._error(404 if self._token() else 401, "RepoNotFound")
            return None
        sha = repository.branches.get(revision, revision)
        if sha not in repository.commits:
            self._error(404, "RevisionNotFound")
            return None
        return sha, repository.commits[sha]

    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _json(self, value: Any, status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _error(self, status: int, code: str | None, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content)}
    if is_large(path):
        pointer = f"size {len(content)}".encode()
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": len(pointer)}
        return entry | {"oid": git_hash(pointer)}
    return entry | {"oid": git_hash(content)}
