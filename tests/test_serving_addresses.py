"""By which address a server is reached: what it prints, which Host and Origin it takes, and its own TLS."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from chatwright.__main__ import main
from chatwright.artefacts import save_model
from chatwright.errors import ConfigError
from chatwright.serving import listening, serve
from chatwright.serving.listening import address_of, bound, check_tls, hints_of
from chatwright.serving.settings import ServeSettings, is_origin
from chatwright.store import open_store
from serving import CHAT, Scripted, serving
from test_serving_clients import Serving
from tiny import language_model, tokenizer


@dataclass(frozen=True)
class Pair:
    """A certificate that is its own authority, and its key."""

    certificate: Path
    key: Path


def pair_in(folder: Path, *, password: bytes | None = None) -> Pair:
    """A fresh pair for this machine, valid for a day."""
    pytest.importorskip("cryptography", reason="cryptography, which makes certificates, is not installed")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder.mkdir(parents=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "chatwright test")])
    today = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(hours=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, how))
    return Pair(folder / "cert.pem", folder / "key.pem")


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return pair_in(tmp_path / "tls")


# -- what is said at the start -------------------------------------------------------------------------------------


def test_a_key_for_a_model_that_is_not_served_is_named_once_at_the_start(tmp_path, monkeypatch, capsys):
    save_model(tmp_path / "parrot", language_model(tokenizer().size, 256), tokenizer(), stage="sft")
    monkeypatch.setattr(serve.Server, "run", lambda *_, **__: None)

    def start():
        said = []
        serve.serve([tmp_path / "parrot"], ServeSettings(port=0), store=tmp_path / "store.db", say=said.append)
        assert said[0].startswith("Serving parrot at ") and "night" not in "".join(said)
        return capsys.readouterr().err

    with open_store(tmp_path / "store.db") as store:
        store.keys.add("all")
        store.keys.add("good", models=["parrot"])
        assert start() == ""
        _, secret = store.keys.add("night\x1b[31m job", models=["parrot", "parot"])
        gone, _ = store.keys.add("gone", models=["nobody"])
        store.keys.revoke(gone.id)
        assert start() == "Keys that name models not served here: night[31m job (parot)\n"
        for number in range(12):
            store.keys.add(f"k{number}", models=["sft"])
        (line,) = start().splitlines()
        assert line.endswith("k8 (sft) and 3 more") and secret not in line


REFUSED = [
    (["--slots", "0"], "--slots is 0; it must be at least 1"),
    (["--queue", "-1"], "--queue is -1; it must be at least 0"),
    (["--threads", "999999"], "--threads is 999999; it must lie between 1 and 4096"),
    (["--allow-origin", "nonsense"], "--allow-origin is 'nonsense'; write what browsers send"),
    (["--allow-origin", "https://a.example/chat"], "--allow-origin is 'https://a.example/chat'"),
    (["--allow-host", "https://a.example"], "--allow-host is 'https://a.example'; write a name alone"),
]


@pytest.mark.parametrize(("more", "told"), REFUSED, ids=[" ".join(more) for more, _ in REFUSED])
def test_settings_that_cannot_be_meant_are_refused_before_a_store_is_made(more, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "nowhere", *more]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"chatwright: {told}") and said.count("\n") == 1 and list(tmp_path.iterdir()) == []


# -- TLS -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_server_with_a_certificate_is_trusted_by_whoever_trusts_that(pair: Pair, tmp_path: Path) -> None:
    save_model(tmp_path / "parrot", language_model(tokenizer().size, 256), tokenizer(), stage="sft")
    tls = ("--tls-certificate", pair.certificate, "--tls-key", pair.key, "--require-key")
    server = Serving(tmp_path / "parrot", "--store", tmp_path / "store.db", *tls)
    try:
        assert "Serving parrot at https://127.0.0.1:" in server.line
        assert server.process.stdout is not None
        link = server.process.stdout.readline()
        assert f"once, within a day: {server.address}/setup?token=" in link
        token = link.strip().partition("token=")[2]
        with httpx.Client(base_url=server.address, verify=ssl.create_default_context(cafile=pair.certificate)) as http:
            assert http.get("/health").json() == {"status": "ok"}
            assert http.get("/v1/models").status_code == 401
            made = http.post("/api/v1/setup", json={"token": token, "name": "ada", "password": "twelve letters"})
            assert made.status_code == 200, made.text
            assert "Secure" in made.headers["set-cookie"] and "HttpOnly" in made.headers["set-cookie"]
            assert http.get("/v1/models").json()["data"][0]["id"] == "parrot"  # whoever has signed in needs no key
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{server.address}/health")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server.address.replace('https', 'http')}/health")
    finally:
        server.process.terminate()
        code, errors = server.end()
    assert code == 0 and "Traceback" not in errors


def test_tls_files_that_do_not_serve_are_told_in_one_sentence_before_a_model_is_loaded(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, locked = pair_in(tmp_path / "other"), pair_in(tmp_path / "locked", password=b"geheim")
    text = tmp_path / "text.pem"
    text.write_text("not PEM at all")
    binary = tmp_path / "binary.pem"
    binary.write_bytes(bytes(range(256)))
    folder = tmp_path / "model"
    save_model(folder, language_model(tokenizer().size), tokenizer(), stage="sft")
    for certificate, key, said in (
        (tmp_path / "none.pem", pair.key, f"--tls-certificate {tmp_path}/none.pem cannot be read: No such file"),
        (pair.certificate, tmp_path / "none.pem", f"--tls-key {tmp_path}/none.pem cannot be read: No such file"),
        (tmp_path, pair.key, "cannot be read: Is a directory"),
        (text, pair.key, "text.pem holds no certificate"),
        (binary, pair.key, "binary.pem holds no certificate"),
        (pair.key, pair.certificate, "key.pem holds no certificate"),
        (pair.certificate, text, "text.pem holds no private key"),
        (pair.certificate, pair.certificate, "cert.pem holds no private key"),
        (pair.certificate, other.key, "is not that of the certificate"),
        (locked.certificate, locked.key, "is encrypted; decrypt it first"),
    ):
        files = ["--tls-certificate", str(certificate), "--tls-key", str(key)]
        assert main(["serve", str(folder), "--port", "0", "--store", str(tmp_path / "a.db"), *files]) == 2
        told = capsys.readouterr()
        assert said in told.err and told.err.count("\n") == 1 and "Traceback" not in told.err, told.err
    assert not (tmp_path / "a.db").exists()
    check_tls(ServeSettings(tls_certificate=pair.certificate, tls_key=pair.key))
    check_tls(ServeSettings())


# -- addresses -----------------------------------------------------------------------------------------------------

PROXY = {"behind_proxy": True}


def test_the_address_that_is_printed_can_be_opened(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    def address(**settings: object) -> str:
        return address_of(ServeSettings(**settings), 8123)  # type: ignore[arg-type]

    tls = {"tls_certificate": pair.certificate, "tls_key": pair.key}
    assert address() == "http://127.0.0.1:8123"
    assert address(host="::1") == "http://[::1]:8123"
    assert address(host="localhost", **tls) == "https://localhost:8123"
    assert address(public_url="https://chat.example.org/deep/", **PROXY) == "https://chat.example.org/deep"
    monkeypatch.setattr(listening, "_own_address", lambda: "10.1.2.3")
    for everywhere in ("0.0.0.0", "::"):
        assert address(host=everywhere, **tls) == "https://10.1.2.3:8123"
    monkeypatch.undo()
    own = ipaddress.ip_address(httpx.URL(address(host="0.0.0.0", **PROXY)).host)
    assert not own.is_unspecified


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_a_server_on_every_address_answers_at_the_ipv4_one_that_is_printed() -> None:
    with bound("::", 0) as listening_at:
        port = listening_at.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        socket.create_connection(("::1", port), timeout=5).close()


def test_a_server_without_a_network_is_at_the_loopback_address(monkeypatch: pytest.MonkeyPatch) -> None:
    class Offline:
        def __init__(self, *kinds: object) -> None: ...

        def __enter__(self) -> Offline:
            return self

        def __exit__(self, *error: object) -> None: ...

        def connect(self, address: object) -> None:
            raise OSError("Network is unreachable")

    monkeypatch.setattr(listening.socket, "socket", Offline)
    assert address_of(ServeSettings(host="0.0.0.0", behind_proxy=True), 80) == "http://127.0.0.1:80"


def test_whoever_prints_an_address_that_others_do_not_know_is_told_of_public_url() -> None:
    assert not [*hints_of(ServeSettings())]
    assert not [*hints_of(ServeSettings(public_url="https://a.example", behind_proxy=True))]
    for settings in (ServeSettings(behind_proxy=True), ServeSettings(host="10.0.0.1", behind_proxy=True)):
        assert "--public-url" in "".join(hints_of(settings))


def test_a_public_address_that_makes_no_sense_is_refused(pair: Pair) -> None:
    for wrong in ("chat.example.org", "ftp://a.example", "https://", "https://a.example/?a=1", "https://u:p@a.example"):
        with pytest.raises(ConfigError, match="write the address that people type"):
            ServeSettings(public_url=wrong, behind_proxy=True)
    with pytest.raises(ConfigError, match="write https://"):
        ServeSettings(public_url="http://a.example", behind_proxy=True)
    with pytest.raises(ConfigError, match="give --behind-proxy"):
        ServeSettings(public_url="https://a.example")  # it would be open to the world, without keys
    ServeSettings(public_url="https://a.example", tls_certificate=pair.certificate, tls_key=pair.key)
    assert not ServeSettings(public_url="http://localhost:9000").needs_key  # a forwarded port is still this machine


@pytest.mark.parametrize("host", ["chat.example.org", "127.0.0.1:8000"])
def test_pages_of_the_public_address_are_the_servers_own_whatever_host_the_proxy_passes_on(host: str) -> None:
    settings = ServeSettings(behind_proxy=True, public_url="https://Chat.example.org:443/deep")
    assert settings.public_origin == "https://chat.example.org"
    with serving({CHAT: Scripted()}, settings=settings) as http:
        sent = {"host": host, "origin": "https://chat.example.org"}
        assert http.get("/health", headers=sent).status_code == 200
        for origin in ("http://chat.example.org:1", "https://chat.example.org:444", "https://chat.example.org.evil"):
            assert http.get("/health", headers=sent | {"origin": origin}).status_code == 403, origin
        assert http.get("/health", headers={"host": "evil.example"}).status_code == 403
        assert http.get("/health", headers={"host": ""}).status_code in (400, 403)


@pytest.mark.parametrize(
    ("origin", "is_one"),
    [
        *(("https://a.example", True), ("http://127.0.0.1:3000", True), ("app://obsidian.md", True)),
        *(("chrome-extension://abcdefgh", True), ("tauri://localhost", True), ("null", True)),
        *(("https://a.example/", False), ("https://me@a.example", False), ("app://a/b", False), ("*", False)),
    ],
)
def test_extensions_and_desktop_programs_have_origins_too(origin: str, is_one: bool) -> None:
    assert is_origin(origin) is is_one
