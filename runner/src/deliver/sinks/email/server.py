"""A mail server for tests: python3-aiosmtpd on a port of its own.

The first line on stdout is the port; then one line of JSON for each mail. The
recipient decides what happens:

    refused@…  550 at RCPT          later@…  451 at RCPT
    full@…     552 at the text      hangup@… hangs up once it has the text
    busy@…     421 at RCPT          rude@…   250, then it hangs up at QUIT

Arguments: --cert FILE --key FILE for STARTTLS, --tls for TLS from the first
byte, --login USER:PASSWORD.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

REFUSED = {
    "refused": "550 5.1.1 no such user",
    "later": "451 4.7.1 greylisted",
    "busy": "421 4.3.2 too busy",
}


def say(value):
    print(json.dumps(value), flush=True)


class Handler:
    rude = False

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = REFUSED.get(address.split("@")[0])
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        who = envelope.rcpt_tos[0].split("@")[0]
        if who == "full":
            return "552 5.3.4 message too big"
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in mail.walk()
                 if not part.is_multipart()}
        say({
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "encrypted": session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
            "login": str(session.auth_data.login, "utf-8") if session.authenticated else None,
            "headers": {name.lower(): str(value) for name, value in mail.items()},
            "defects": [str(defect) for part in mail.walk() for defect in part.defects],
            "parts": parts,
        })
        if who == "hangup":
            server.transport.abort()
        self.rude = who == "rude"
        return "250 2.0.0 queued as 4F1"

    async def handle_QUIT(self, server, session, envelope):
        if self.rude:
            server.transport.abort()
        return "221 Bye"


async def serve(given):
    context = None
    if given.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.cert, given.key)

    def login(server, session, envelope, mechanism, data):
        if f"{data.login.decode()}:{data.password.decode()}" == given.login:
            return AuthResult(success=True, auth_data=data)
        return AuthResult(success=False, handled=False)

    def connection():
        return SMTP(
            Handler(),
            hostname="mail.test",
            tls_context=None if given.tls else context,
            require_starttls=bool(context) and not given.tls,
            authenticator=login,
            auth_required=bool(given.login),
            auth_require_tls=not given.tls,
        )

    loop = asyncio.get_running_loop()
    at_once = context if given.tls else None
    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=at_once)
    say(server.sockets[0].getsockname()[1])
    # Whoever started us closes our stdin.
    await loop.run_in_executor(None, sys.stdin.read)


arguments = argparse.ArgumentParser()
for name in ("--cert", "--key", "--login"):
    arguments.add_argument(name)
arguments.add_argument("--tls", action="store_true")
asyncio.run(serve(arguments.parse_args()))
