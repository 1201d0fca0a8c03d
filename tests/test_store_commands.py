from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from chatwright import store_commands
from chatwright.__main__ import main
from chatwright.store import open_store

RANKING = {
    "prompt": [{"role": "user", "content": "Who?"}],
    "answers": ["A fox.", "No."],
    "ranks": [1, 2],
    "labeler": "mia",
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHATWRIGHT_STORE", raising=False)


def test_a_key_is_printed_once_listed_without_its_secret_and_revoked(capsys):
    arguments = ["--per-minute", "60", "--quota", "1000", "--monthly", "--model", "sft"]
    assert main(["keys", "add", "my \x1b[31mnotebook", *arguments]) == 0
    secret, hint = capsys.readouterr()
    with open_store("chatwright.db") as store:
        key = store.keys.find(secret.strip())
        assert (key.requests_per_minute, key.quota_tokens, key.quota_period, key.models) == (
            60,
            1000,
            "month",
            ("sft",),
        )
        store.usage.record("sft", tokens_in=100, tokens_out=1, key_id=key.id)
    assert f"chatwright keys revoke {key.handle}" in hint
    assert "It may use only the models called sft, 60 requests a minute, 1,000 tokens a month." in hint
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert key.shown in listed and "899 this month" in listed and "\x1b" not in listed
    assert secret.strip() not in listed
    assert main(["keys", "revoke", key.handle]) == 0
    assert main(["keys", "revoke", key.handle]) == 2
    assert "there is no working key" in capsys.readouterr().err
    assert main(["keys", "list", "--all"]) == 0
    assert "revoked" in capsys.readouterr().out


def test_a_key_for_what_is_no_models_name_is_refused_and_one_without_limits_says_so(capsys, tmp_path):
    assert main(["keys", "add", "a", "--model", "runs/quickstart/sft"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("chatwright: 'runs/quickstart/sft' is no model's name") and said.err.count("\n") == 1
    assert said.out == ""
    assert main(["keys", "add", "a", "--quota", "5"]) == 0
    assert "It may use every model, 5 tokens in all." in capsys.readouterr().err


def test_the_variable_says_where_the_store_is_and_the_option_comes_before_it(capsys, tmp_path, monkeypatch):
    """An address with a password must not stand among the arguments of a process."""
    monkeypatch.setenv("CHATWRIGHT_STORE", str(tmp_path / "team.db"))
    (tmp_path / "in.jsonl").write_text(json.dumps(RANKING) + "\n")
    for command in (
        ["keys", "add", "a"],
        ["keys", "list"],
        ["usage"],
        ["feedback", "import", "in.jsonl"],
        ["feedback", "export", "out.jsonl"],
        ["backup", "copy.db"],
    ):
        assert main(command) == 0
    assert (tmp_path / "team.db").exists() and not (tmp_path / "chatwright.db").exists()
    assert main(["keys", "add", "b", "--store", "other.db"]) == 0
    assert (tmp_path / "other.db").exists()
    monkeypatch.setenv("CHATWRIGHT_STORE", "postgresql://me:geheim@127.0.0.1:1/none")
    capsys.readouterr()
    assert main(["usage"]) == 2
    refused = capsys.readouterr()
    assert "check that the database runs" in refused.err and "geheim" not in refused.err


@pytest.mark.parametrize("command", ["serve", "keys add", "keys list", "keys revoke", "usage", "backup"])
def test_help_names_the_variable_and_never_what_it_holds(command, capsys, monkeypatch):
    monkeypatch.setenv("CHATWRIGHT_STORE", "postgresql://me:geheim@127.0.0.1:1/none")
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    said = capsys.readouterr().out
    assert "CHATWRIGHT_STORE" in said and "geheim" not in said


def test_usage_shows_requests_and_training_each_at_its_price(capsys):
    with open_store("chatwright.db", clock=lambda: datetime(2026, 1, 31, tzinfo=UTC)) as store:
        store.usage.record("ppo", tokens_in=900, tokens_out=100, price_per_1000=0.5)
        store.usage.record("loop-1/ppo", tokens_in=4000, tokens_out=0, price_per_1000=2.0, kind="training")
    assert main(["usage"]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(*row[1:4], row[4], row[-1]) for row in table] == [
        ("training", "loop-1/ppo", "1", "4,000", "8.0000"),
        ("use", "ppo", "1", "900", "0.5000"),
    ]
    assert main(["usage", "--kind", "training", "--by", "kind", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["kind"], row["tokens_in"], row["cost"]) == ("training", 4000, 8.0)


@pytest.mark.parametrize(
    ("joules", "shown"),
    [(0.0, "0 J"), (4.25, "4.2 J"), (3599, "3,599 J"), (3600, "1.0 Wh"), (90_000, "25.0 Wh"), (3.6e6, "1.00 kWh")],
)
def test_energy_has_the_unit_that_fits(joules, shown):
    assert store_commands._energy(joules) == shown


def test_usage_is_a_table_or_json(capsys):
    with open_store("chatwright.db", clock=lambda: datetime(2026, 1, 31, tzinfo=UTC)) as store:
        key, _ = store.keys.add("notebook")
        store.usage.record("sft", tokens_in=1234, tokens_out=5, key_id=key.id, price_per_1000=1.0, seconds=2.0)
        store.usage.record("ppo", tokens_in=1, tokens_out=1, energy_estimated_j=3.6e6)
    assert main(["usage", "--by", "model"]) == 0
    assert [line.split()[-3:-1] for line in capsys.readouterr().out.splitlines()[1:]] == [["1.00", "kWh"], ["0", "J"]]
    assert main(["usage"]) == 0
    assert [line.split()[:5] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["2026-01-31", "use", "ppo", "1", "1"],
        ["2026-01-31", "use", "sft", "1", "1,234"],
    ]
    assert main(["usage", "--by", "key_id"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["key", "-", "notebook"]
    assert main(["usage", "--json", "--by", "model", "--since", "2026-01-31"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["cost"], row["energy_estimated_j"]) for row in rows] == [
        ("ppo", 0.0, 3.6e6),
        ("sft", pytest.approx(1.239), 0.0),
    ]
    assert main(["usage", "--since", "2026-02-01", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_feedback_goes_in_and_out(capsys, tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps(RANKING) + "\n")
    assert main(["feedback", "import", "in.jsonl", "in.jsonl", "--simulated"]) == 0
    assert capsys.readouterr().out == "1 new, 1 were there before\n"
    assert main(["feedback", "export", "out.jsonl", "--format", "preference"]) == 0
    assert capsys.readouterr().out == "out.jsonl: 1 row\n"
    line = json.loads((tmp_path / "out.jsonl").read_text())
    assert (line["chosen"][0]["content"], line["simulated"]) == ("A fox.", True)
    (tmp_path / "in.jsonl").write_text(json.dumps(RANKING | {"labeler": "tom"}) + "\n")
    assert main(["feedback", "import", "in.jsonl", "--waiting"]) == 0
    assert main(["feedback", "export", "all.csv", "--format", "csv", "--all"]) == 0
    assert capsys.readouterr().out.endswith("all.csv: 2 rows\n")
    assert main(["feedback", "export", "all.jsonl", "--all"]) == 2
    assert not (tmp_path / "all.jsonl").exists()


@pytest.mark.parametrize("command", ["keys list", "usage", "backup copy.db", "feedback export out.jsonl"])
def test_a_store_that_is_not_there_is_an_error_and_is_not_made(command, capsys, tmp_path):
    assert main([*command.split(), "--store", "chatrwight.db"]) == 2
    assert "there is no store chatrwight.db; name the server's with --store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


REFUSED = [
    (["keys", "add", ""], "a key needs a name"),
    (["keys", "add", "x", "--quota", "9" * 25], "it must be at most 1,000,000,000,000,000"),
    (["keys", "add", "x", "--monthly"], "give --quota N with it"),
    (["usage", "--since", "2026-02-01", "--until", "2026-01-01"], "is after --until 2026-01-01; swap them"),
    (["feedback", "queue", "stage", "--overlap", "0"], "--overlap is 0; it must be at least 1"),
    (["feedback", "import", ""], "file is empty; give a path"),
]


@pytest.mark.parametrize(("command", "told"), REFUSED, ids=[" ".join(command) for command, _ in REFUSED])
def test_what_cannot_be_meant_is_refused_before_a_store_is_made(command, told, capsys, tmp_path):
    assert main(command) == 2
    said = capsys.readouterr()
    assert told in said.err and said.err.count("\n") == 1 and said.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["{", "[]", '{"prompt": []}', "\xff"])
def test_answers_that_are_damaged_are_named_with_their_line(line, capsys, tmp_path):
    (tmp_path / "stage").mkdir()
    good = {"prompt": RANKING["prompt"], "answers": RANKING["answers"]}
    (tmp_path / "stage" / "answers.jsonl").write_bytes(f"{json.dumps(good)}\n{line}\n".encode("latin-1"))
    assert main(["feedback", "queue", "stage"]) == 2
    assert "answers.jsonl:2" in capsys.readouterr().err
    with open_store("chatwright.db") as store:
        assert store.tasks.all() == []


def test_a_day_that_is_none_is_told_how_to_write(capsys):
    assert main(["usage", "--since", "yesterday"]) == 2
    assert "'yesterday' is no day; write it as 2026-01-31" in capsys.readouterr().err


def test_a_file_with_a_bad_line_imports_nothing(capsys, tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps(RANKING) + '\n{"prompt"\n')
    assert main(["feedback", "import", "in.jsonl"]) == 2
    assert "in.jsonl:2" in capsys.readouterr().err
    assert not (tmp_path / "chatwright.db").exists()


def test_backup_writes_a_copy(capsys, tmp_path):
    open_store("chatwright.db").close()
    assert main(["backup", "copies/copy.db"]) == 0
    assert capsys.readouterr().out == "copies/copy.db\n"
    with open_store(tmp_path / "copies" / "copy.db") as store:
        assert store.keys.all() == []
