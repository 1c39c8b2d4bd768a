"""Roles, segments that come and go, and the addresses of clients through a proxy; and whom a proxy trusts."""
import http.client
import ssl

from checks import eventually, expect
from client import EventStream, request
from proxy_restarts import PROXYS
from proxy_stage import PASSED

CLIENT, PROXY = "127.0.0.2", "127.0.0.1"


def roles(stage, given):
    """Each role's answers are those of the server itself, in all that says why."""
    wrong = {"Authorization": "Bearer not-a-token-of-this-server"}
    cases = [
        ("GET", "shared", "reader", 200), ("PUT", "shared", "reader", 403), ("DELETE", "shared", "reader", 403),
        ("PUT", "shared", "writer", 204), ("PUT", "new", "writer", 403), ("DELETE", "shared", "writer", 403),
        ("GET", "shared", "limited", 403), ("PUT", "shared", "limited", 403), ("PUT", "limited", "limited", 204),
        ("GET", "limited", "limited", 200), ("GET", "shared", None, 401), ("PUT", "shared", None, 401),
        ("GET", "shared", "wrong", 401), ("PUT", "shared", "wrong", 401), ("GET", "none", None, 401),
    ]
    expect(request(stage.own, "PUT", "/shared/limited", b"begin").status == 201, "the segment exists")
    for method, name, role, status in cases:
        fields, body = (wrong if role == "wrong" else {}), (b"set by a role" if method == "PUT" else None)
        through, own = (request(address, method, f"/shared/{name}", body, fields, None if role == "wrong" else role)
                        for address in [stage.address, stage.own])
        case = f"{method} of {name} by {role}"
        expect(through.status == own.status == status, f"{case}: {through.status}, {own.status}; {through.body}")
        expect(through.body == own.body, f"{case}: {through.body} and {own.body}")
        for name in ["WWW-Authenticate", "Content-Type"]:
            expect(through.fields[name] == own.fields[name], f"{case}: {name}: {through.fields[name]}, {own.fields[name]}")
        expect(status != 401 or through.fields["WWW-Authenticate"].startswith("Bearer"), f"{case}: no WWW-Authenticate")
    expect(request(stage.own, "DELETE", "/shared/limited").status == 204, "the segment is gone")
    return f"{len(cases)} requests"


def dynamic(stage, given):
    """A segment is created and deleted, and the stream of the list tells of it."""
    path, only_new = "/shared/through", {"If-None-Match": "*"}
    with EventStream(stage.address, "/shared/") as stream:
        events = iter(stream)
        expect(next(events)[0] == "list", "the stream does not begin with the list")
        created = request(stage.address, "PUT", path, b"new", only_new)
        expect(created.status == 201 and created.fields["Location"] == path and created.tag,
               f"created: {created.status} {created.fields.items()}")
        name, _, data = next(events)
        expect(name == "created" and '"name":"through"' in data, f"event of the creation: {name} {data}")
        expect(request(stage.address, "PUT", path, b"again", only_new).status == 412, "created twice")
        expect(request(stage.address, "GET", path).body == b"new", "the new segment's text")
        expect(b'"name":"through"' in request(stage.address, "GET", "/shared/").body, "the list")
        deleted = request(stage.address, "DELETE", path, fields={"If-Match": created.tag})
        expect(deleted.status == 204, f"deleted: {deleted.status} {deleted.body}")
        name, _, data = next(events)
        expect(name == "removed" and data == '{"name":"through"}', f"event of the removal: {name} {data}")
    expect(request(stage.address, "GET", path).status == 404, "the segment after its removal")


def forwarded(stage, given):
    """The log names the client, whatever the client says."""
    lies = [{}, {"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.10"},
            {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.10"}]
    for fields in lies:
        put = request(stage.address, "PUT", body=b"from afar", fields=fields, role="writer", source=CLIENT)
        expect(put.status == 204, f"PUT with {fields}: {put.status}")
        entry = stage.logged(put.tag)
        expected = PROXY if stage.form == PASSED else CLIENT
        expect(entry["client"] == expected, f"with {fields}, the log names {entry['client']} and not {expected}")


def verification(stage, given):
    """The proxy passes nothing on to a server with another certificate."""
    statuses = set()
    for certificate in ["other-authority", "other-name"]:
        stage.restart_server(certificate=certificate)
        for _ in range(3):
            got = request(stage.address, "GET")
            expect(got.status in PROXYS, f"a server with the certificate {certificate}: {got.status} {got.body}")
            statuses.add(got.status)
    stage.restart_server()
    eventually("an answer of the server with its own certificate", stage.is_ready)
    expect(request(stage.address, "GET").status == 200, "GET afterwards")
    return f"otherwise {' or '.join(map(str, sorted(statuses)))}"


def certificates(stage, given):
    """Clients shake hands with the server itself, which knows their roles from their certificates."""
    def status(client, method="GET", role=None):
        address = stage.address.with_context(stage.certificates.context("sharedmem-ca", client))
        body = b"set by a certificate" if method == "PUT" else None
        return request(address, method, "/shared", body, role=role).status

    stage.restart_server("--tls-client-ca", stage.certificates.path("sharedmem-ca"),
                         "--tls-client-roles", stage.files["roles"])
    eventually("an answer through the proxy", lambda: True if status("reader") == 200 else None)
    for client, method, role, expected in [
        ("reader", "GET", None, 200), ("reader", "PUT", None, 403), ("writer", "PUT", None, 204),
        ("writer", "PUT", "reader", 403), ("stranger", "GET", None, 401), ("stranger", "PUT", "writer", 204),
    ]:
        got = status(client, method, role)
        expect(got == expected, f"{method} by {client} with the token {role}: {got}")
    for client in [None, "foreigner"]:
        try:
            got = status(client, role="admin")
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            continue
        expect(False, f"a client with the certificate {client} was answered {got}")
