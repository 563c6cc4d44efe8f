"""Who hears of alerts, played by threads: a chat like Slack, a mail server, a dead man's switch."""

import base64
import json
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

CHAT, HEARTBEAT = "/chat", "/heartbeat"


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A mail as its server took it."""

    login: tuple[str, str]
    """User and password, by which the sender made itself known."""
    to: tuple[str, ...]
    message: EmailMessage

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        return str(body.get_content()).replace("\r\n", "\n") if body else ""


@dataclass(kw_only=True)
class Heard:
    """All that has arrived so far, and where it is to be sent."""

    web_url: str = ""
    """Of the chat and the switch, which are at CHAT and HEARTBEAT there."""
    mail_server: str = ""
    """Name and port."""
    chats: list[dict[str, Any]] = field(default_factory=list)
    beats: list[dict[str, Any]] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)


@contextmanager
def receivers(address: str) -> Iterator[Heard]:
    """They listen at an address of this machine, each at a port that is free."""
    heard = Heard()
    with (
        ThreadingHTTPServer((address, 0), _web(heard)) as web,
        _MailServer((address, 0), _mailbox(heard)) as mail,
    ):
        heard.web_url = f"http://{address}:{web.server_address[1]}"
        heard.mail_server = f"{address}:{mail.server_address[1]}"
        servers: tuple[socketserver.BaseServer, ...] = (web, mail)
        for server in servers:
            Thread(target=server.serve_forever, daemon=True).start()
        yield heard
        for server in servers:
            server.shutdown()


def _web(heard: Heard) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            {CHAT: heard.chats, HEARTBEAT: heard.beats}[self.path].append(body)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")  # as Slack does

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class _MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


def _mailbox(heard: Heard) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        """As much of SMTP as a sender needs. AUTH PLAIN it would refuse without encryption."""

        def handle(self) -> None:
            login, to = ("", ""), list[str]()
            self._say("220 here")
            for line in self.rfile:
                command = line.decode().strip()
                match command.upper().partition(" ")[0]:
                    case "EHLO":
                        self._say("250-here\r\n250 AUTH LOGIN")
                    case "AUTH":
                        login = (self._ask("Username:"), self._ask("Password:"))
                        self._say("235 known")
                    case "RCPT":
                        to.append(command.partition("<")[2].rstrip(">"))
                        self._say("250 taken")
                    case "DATA":
                        self._say("354 go on")
                        message = message_from_bytes(self._data(), policy=policy.default)
                        assert isinstance(message, EmailMessage)
                        heard.mails.append(Mail(login=login, to=tuple(to), message=message))
                        self._say("250 taken")
                    case "QUIT":
                        self._say("221 bye")
                        return
                    case _:
                        self._say("250 well")

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        def _ask(self, what: str) -> str:
            self._say(f"334 {base64.b64encode(what.encode()).decode()}")
            return base64.b64decode(self.rfile.readline()).decode()

        def _data(self) -> bytes:
            lines = iter(self.rfile.readline, b".\r\n")
            return b"".join(line.removeprefix(b".") for line in lines)

    return Handler
