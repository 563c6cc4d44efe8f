"""Plays the ends of AWS' names: TLS by a certificate of the rehearsal's, then on to who answers.

    front.py ADDRESS CERTIFICATE API REGISTRY

API and REGISTRY are ports of this machine: moto's, and that of the stand-in for ECR's images. A
client says by SNI whom it means.
"""

import asyncio
import ssl
import sys

CHUNK = 1 << 16


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(address: str, certificate: str, api: int, registry: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def remember(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.asked_for = name or ""  # type: ignore[attr-defined]

    context.sni_callback = remember

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = getattr(writer.get_extra_info("ssl_object"), "asked_for", "")
        port = registry if ".dkr.ecr." in name else api
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(reader, behind_writer), _copy(behind_reader, writer))

    server = await asyncio.start_server(serve, address, 443, ssl=context)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    own_address, file, api_port, registry_port = sys.argv[1:]
    asyncio.run(main(own_address, file, int(api_port), int(registry_port)))
