"""Who gets in: links, passwords, cookies, roles; and that pages of other sites get nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from chatwright.serving.settings import ServeSettings
from chatwright.serving.web.building import setup_link, web_app
from chatwright.store import Store, open_store
from chatwright.store.people import LOCAL_NAME
from web_api import API, PASSWORD, Site, site


@pytest.fixture
def own_store(new_place: Callable[[], str]) -> Iterator[Store]:
    with open_store(new_place()) as store:
        yield store


@pytest.fixture
def remote(own_store: Store) -> Iterator[Site]:
    with site(own_store) as found:
        yield found


@pytest.fixture
def local(own_store: Store) -> Iterator[Site]:
    with site(own_store, remote=False) as found:
        yield found


def code(response: httpx.Response) -> str:
    return str(response.json()["error"]["code"])


def test_while_nobody_has_an_account_who_sits_here_is_admin(local: Site) -> None:
    client = local.client()
    assert client.get("/me").json() == {"person": None, "role": "admin", "access": "open"}
    assert client.get("/admin/people").json() == {"people": []}
    assert client.post("/chats", json={"title": "mine"}).json()["title"] == "mine"
    assert [chat["title"] for chat in client.get("/chats").json()["chats"]] == ["mine"]
    assert setup_link(local.store, ServeSettings(), "http://x") is None


def test_the_first_account_of_a_local_server_is_an_admin_and_ends_that(local: Site) -> None:
    client = local.client()
    refused = client.post("/admin/invites", json={"role": "chatter"})
    assert refused.status_code == 409
    link = client.post("/admin/invites", json={"role": "admin"}).json()
    me = client.post("/invites/accept", json={"token": link["token"], "name": "Ada", "password": PASSWORD}).json()
    assert (me["person"]["name"], me["role"], me["access"]) == ("Ada", "admin", "open")
    stranger = local.client()
    assert stranger.get("/me").json() == {"person": None, "role": None, "access": "login"}
    assert stranger.get("/chats").status_code == 401
    assert client.get("/me").json()["person"]["name"] == "Ada"  # the cookie holds


def work_without_an_account(client: httpx.Client) -> str:
    """A chat with a thumb, a ranking, a key and a preference of whoever sits there. Out: the chat."""
    chat = str(client.post("/chats", json={"title": "before"}).json()["id"])
    asked = client.post(f"/chats/{chat}/messages", json={"parent": None, "role": "user", "content": "hush"}).json()
    said = {"parent": asked["id"], "role": "assistant", "content": "I hush"}
    answer = client.post(f"/chats/{chat}/messages", json=said).json()["id"]
    assert client.post(f"/messages/{answer}/feedback", json={"thumb": "up", "consent": True}).status_code == 200
    content = {"prompt": [{"role": "user", "content": "which?"}], "answers": ["a", "b", "c", "d"]}
    client.post("/admin/tasks", json={"tasks": [{"kind": "rank", "content": content}]})
    task = client.post("/label/next", json={}).json()["task"]
    ranked = {"submission": task["submission"], "ranks": [1, 2, 3, 4]}
    assert client.post(f"/label/{task['id']}/submit", json=ranked).status_code == 200
    client.post("/admin/keys", json={"name": "laptop"})
    client.patch("/me", json={"preferences": {"tour": "seen"}})
    return chat


def test_what_was_done_before_the_first_account_is_that_accounts_own(local: Site) -> None:
    client = local.client()
    chat = work_without_an_account(client)
    link = client.post("/admin/invites", json={"role": "admin"}).json()
    body = {"token": link["token"], "name": "Ada", "password": PASSWORD, "language": "de"}
    me = client.post("/invites/accept", json=body).json()
    assert (me["person"]["language"], me["person"]["preferences"]) == ("de", {"tour": "seen"})
    assert [each["name"] for each in client.get("/admin/people").json()["people"]] == ["Ada"]
    assert [each["id"] for each in client.get("/chats").json()["chats"]] == [chat]
    assert client.get(f"/chats/{chat}").json()["messages"][1]["feedback"]["thumb"] == "up"
    assert client.get("/label/progress").json()["mine"]["total"] == 1
    exported = client.get("/me/export").json()
    assert {row["kind"] for row in exported["feedback"]} == {"thumb", "ranking"}
    assert "hush" in json.dumps(exported["chats"]) and [key["name"] for key in exported["keys"]] == ["laptop"]
    rows = client.get("/admin/feedback?state=approved").json()["rows"]
    assert {row["person"] for row in rows} == {me["person"]["id"]}
    local.person("admin", "Bo")  # the only admin cannot go
    gone = client.request("DELETE", "/me", json={"password": PASSWORD}).json()
    assert (gone["chats"], gone["feedback"]) == (1, 2)
    assert [person.name for person in local.store.people.all()] == ["Bo"]
    assert {row.content == {} for row in local.store.feedback.rows(states=("removed",), consent=None)} == {True}


def test_the_first_admin_of_a_server_that_opens_up_takes_over_too(own_store: Store) -> None:
    with site(own_store, remote=False) as before:
        chat = work_without_an_account(before.client())
    link = setup_link(own_store, ServeSettings(host="0.0.0.0", behind_proxy=True), "https://chat.example.org")
    with site(own_store) as after:
        client = after.client()
        assert client.get("/me").json()["access"] == "setup"
        body = {"token": str(link).partition("=")[2], "name": "Ada", "password": PASSWORD}
        cookie = client.post("/setup", json=body).headers["set-cookie"].partition(";")[0]
        assert [each["id"] for each in after.client(cookie=cookie).get("/chats").json()["chats"]] == [chat]


def test_the_account_of_the_computer_itself_can_neither_be_disabled_nor_made_an_admin(local: Site) -> None:
    client = local.client()
    assert client.get("/me").json()["access"] == "open"
    (own,) = local.store.people.all()
    for body in ({"role": "admin"}, {"disabled": True}):
        assert client.patch(f"/admin/people/{own.id}", json=body).status_code == 409
    assert client.post(f"/admin/people/{own.id}/password", json={"password": PASSWORD}).status_code == 409
    assert client.get("/me").json() == {"person": None, "role": "admin", "access": "open"}


def test_from_elsewhere_the_link_that_serve_prints_makes_the_first_admin_once(remote: Site) -> None:
    client = remote.client()
    assert client.get("/me").json() == {"person": None, "role": None, "access": "setup"}
    assert client.get("/admin/people").status_code == 401
    settings = ServeSettings(host="0.0.0.0", behind_proxy=True)
    link = setup_link(remote.store, settings, "https://chat.example.org")
    assert link is not None and link.startswith("https://chat.example.org/setup?token=")
    body = {"token": link.partition("=")[2], "name": "Ada", "password": PASSWORD}
    answer = client.post("/setup", json=body)
    assert answer.json()["role"] == "admin"
    assert client.post("/setup", json={**body, "name": "Eve"}).status_code == 403
    assert setup_link(remote.store, settings, "") is None
    assert remote.client().get("/me").json()["access"] == "login"


def test_the_session_stands_in_a_cookie_that_no_script_and_no_other_site_can_use(remote: Site) -> None:
    remote.store.people.add("Ada", PASSWORD, role="chatter")
    client = remote.client()
    cookie = client.post("/login", json={"name": "ada", "password": PASSWORD}).headers["set-cookie"]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/", "secure"} <= attributes
    token = cookie.partition("=")[2].partition(";")[0]
    signed_in = remote.client(cookie=f"chatwright-session={token}")
    assert signed_in.get("/me").json()["person"]["name"] == "Ada"
    out = signed_in.post("/logout", json={})
    assert out.json()["access"] == "login" and 'chatwright-session=""' in out.headers["set-cookie"]
    assert signed_in.get("/chats").status_code == 401


def test_wrong_passwords_are_refused_then_slowed_down(remote: Site) -> None:
    remote.store.people.add("Ada", PASSWORD, role="admin")
    client = remote.client()
    for _ in range(5):
        answer = client.post("/login", json={"name": "Ada", "password": "wrong wrong wrong"})
        assert answer.status_code == 401 and code(answer) == "wrong_password"
    throttled = client.post("/login", json={"name": "Ada", "password": PASSWORD})
    assert throttled.status_code == 429 and int(throttled.headers["retry-after"]) > 0
    # The proxy tells who asks: somebody elsewhere is not held up by that.
    other = client.post("/login", json={"name": "Ada", "password": PASSWORD}, headers={"x-forwarded-for": "10.1.1.1"})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_other_sites_can_write_and_read_nothing(local: Site, headers: dict[str, str]) -> None:
    client = local.client(**headers)
    for answer in (
        client.post("/chats", json={}),
        client.post("/login", json={"name": "a", "password": "b"}),
        client.get("/admin/people"),
        client.get("/me"),
    ):
        assert answer.status_code == 403 and code(answer) == "origin_not_allowed"
    own = local.client(origin=local.address, **{"sec-fetch-site": "same-origin"})
    assert own.post("/chats", json={}).status_code == 200


def test_api_keys_do_not_open_the_pages_api(remote: Site) -> None:
    admin = remote.person("admin")
    secret = admin.post("/admin/keys", json={"name": "script"}).json()["secret"]
    script = remote.client(authorization=f"Bearer {secret}")
    assert script.get("/admin/people").status_code == 401
    assert script.get(f"{remote.address}/v1/models").status_code == 200
    assert admin.get(f"{remote.address}/v1/models").status_code == 200  # and a session opens /v1
    assert remote.client().get(f"{remote.address}/v1/models").status_code == 401


def test_nobody_can_take_the_name_of_this_computer(remote: Site) -> None:
    _, token = remote.store.people.invite("labeler")
    for name in (LOCAL_NAME, " THIS  computer "):
        answer = remote.client().post("/invites/accept", json={"token": token, "name": name, "password": PASSWORD})
        assert answer.status_code == 409


def test_a_disabled_account_and_a_lower_role_count_at_once(remote: Site) -> None:
    admin, other = remote.person("admin"), remote.person("labeler", "Bo")
    number = next(each["id"] for each in admin.get("/admin/people").json()["people"] if each["name"] == "Bo")
    assert other.get("/label/progress").status_code == 200
    assert admin.patch(f"/admin/people/{number}", json={"role": "chatter"}).json()["role"] == "chatter"
    assert other.get("/label/progress").status_code == 403
    admin.patch(f"/admin/people/{number}", json={"disabled": True})
    assert other.get("/chats").status_code == 401


def test_people_take_their_data_along_and_leave(remote: Site) -> None:
    remote.person("admin")
    client = remote.person("chatter", "Bo")
    chat = client.post("/chats", json={"title": "secret"}).json()["id"]
    client.post(f"/chats/{chat}/messages", json={"parent": None, "role": "user", "content": "hush"})
    exported = client.get("/me/export")
    assert "attachment" in exported.headers["content-disposition"]
    assert "hush" in exported.text and "password" not in exported.text
    assert client.get("/me/runs").json() == {"runs": []}
    assert client.request("DELETE", "/me", json={"password": "wrong wrong wrong"}).status_code == 403
    assert client.request("DELETE", "/me", json={"password": PASSWORD}).json()["chats"] == 1
    assert client.get("/me").json()["person"] is None
    assert all(person.name != "Bo" for person in remote.store.people.all())


@pytest.mark.slow
def test_what_an_admin_exports_for_others_holds_only_chats_that_they_share(remote: Site) -> None:
    admin, client = remote.person("admin"), remote.person("chatter", "Bo")
    for title in ("private", "public"):
        client.post("/chats", json={"title": title})
    number = client.get("/me").json()["person"]["id"]
    public = client.get("/chats?search=public").json()["chats"][0]["id"]
    client.patch(f"/chats/{public}", json={"shared": True})
    exported = admin.get(f"/admin/people/{number}/export").json()
    assert [chat["title"] for chat in exported["chats"]] == ["public"]
    assert [chat["id"] for chat in admin.get("/admin/shared_chats").json()["chats"]] == [public]
    private = client.get("/chats?search=private").json()["chats"][0]["id"]
    assert admin.get(f"/admin/shared_chats/{private}").status_code == 404
    assert admin.get(f"/admin/shared_chats/{public}").status_code == 200
    assert admin.get(f"/chats/{private}").status_code == 404


def test_a_new_password_ends_the_other_sessions(remote: Site) -> None:
    client, other = remote.person("chatter", "Bo"), remote.signed_in("Bo")
    answer = client.post("/me/password", json={"old": PASSWORD, "new": "another good password"})
    assert answer.status_code == 200 and "set-cookie" in answer.headers
    assert other.get("/chats").status_code == 401


# -- every route, every role --

OPEN = {
    ("GET", "/me"), ("POST", "/login"), ("POST", "/logout"), ("POST", "/setup"), ("POST", "/invites/accept"),
}  # fmt: skip
LABELERS = ("/label", "/runs", "/promotions")
ADMINS = ("/admin",)
ADMINS_ONLY = {
    ("POST", "/promotions"), ("POST", "/promotions/{model}/rollback"), ("POST", "/comparisons"),
    ("GET", "/comparisons/{comparison}/result"), ("POST", "/comparisons/{comparison}/close"),
}  # fmt: skip
ROLES = ("nobody", "chatter", "labeler", "admin")


def least(method: str, path: str) -> str:
    if (method, path) in OPEN:
        return "nobody"
    if (method, path) in ADMINS_ONLY or path.startswith(ADMINS):
        return "admin"
    return "labeler" if path.startswith(LABELERS) else "chatter"


def example(schema: dict[str, Any], parts: dict[str, Any]) -> Any:
    """A body that passes the check of types, so that what refuses it is the role."""
    if "$ref" in schema:
        return example(parts[schema["$ref"].rpartition("/")[2]], parts)
    for option in schema.get("anyOf", ()):
        return example(option, parts)
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    if schema.get("type") == "object":
        wanted = schema.get("required", ())
        return {name: example(schema["properties"][name], parts) for name in wanted}
    kinds = {"string": "1", "integer": 1, "number": 1, "boolean": True, "array": [], "null": None}
    return kinds.get(schema.get("type", "string"))


@pytest.mark.slow
def test_each_role_gets_what_it_may_and_nothing_else(remote: Site) -> None:
    people = {"nobody": remote.client()}
    people |= {role: remote.person(role) for role in ROLES[1:]}
    remote.person("admin")  # one more: the first may delete itself
    described = web_app({}, remote.store).openapi()
    parts = described["components"]["schemas"]
    checked = 0
    for path, operations in sorted(described["paths"].items()):
        if not path.startswith(API):
            continue
        own = path.removeprefix(API)
        address = re.sub(r"\{[^}]+\}", "999", own)
        for method, operation in operations.items():
            needed = least(method.upper(), own)
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            body = None if content is None else json.dumps(example(content["schema"], parts))
            for place, role in enumerate(ROLES):
                if (own, role) == ("/logout", "admin") or own == "/logout" and role != "nobody":
                    continue
                answer = people[role].request(
                    method, address, content=body, headers={"content-type": "application/json"}
                )
                refused = answer.status_code in (401, 403) and code(answer) in ("not_signed_in", "role_too_low")
                assert refused == (place < ROLES.index(needed)), (method, own, role, answer.status_code, answer.text)
                assert answer.status_code != 500, (method, own, answer.text)
                if refused:
                    assert answer.status_code == (401 if role == "nobody" else 403)
                checked += 1
    assert checked > 250
