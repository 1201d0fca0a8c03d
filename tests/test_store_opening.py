from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from chatwright.errors import ArtefactError, ConfigError, ResourceError
from chatwright.store import open_store
from chatwright.store.database import url_of
from chatwright.store.opening import NEWEST
from chatwright.store.schema import metadata, people, tasks

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_migrations_make_exactly_the_tables_of_the_schema(store):
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with store.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata})
        assert compare_metadata(context, metadata) == []
        inspector = sa.inspect(connection)
        for table in metadata.sorted_tables:
            checks = {check["name"] for check in inspector.get_check_constraints(table.name)}
            wanted = {rule.name for rule in table.constraints if isinstance(rule, sa.CheckConstraint)}
            assert checks == wanted, table.name
    config = Config()
    config.set_main_option("script_location", "chatwright:store/migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST]


def test_a_store_of_the_first_version_is_brought_up_to_date_with_all_that_is_in_it(tmp_path):
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "chatwright:store/migrations")
    with open_store(tmp_path / "a.db") as store, store.database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        assert "author_id" not in {column["name"] for column in sa.inspect(connection).get_columns("feedback")}
        connection.execute(
            people.insert().values(name="Ada", name_folded="ada", role="labeler", preferences={}, created_at=NOW)
        )
        common = {"content": {}, "created_at": NOW}
        connection.execute(tasks.insert().values(kind="rank", author_id=1, digest="d", **common))
        told = "INSERT INTO feedback (kind, state, origin, task_id, content, created_at) VALUES "
        connection.execute(sa.text(f"{told} ('ranking', 'approved', 'task', 1, '{{}}', '2026-01-01 00:00:00')"))
    with open_store(tmp_path / "a.db") as store, store.database.reading() as connection:
        assert connection.execute(sa.text("SELECT author_id FROM feedback")).scalar_one() == 1


@pytest.mark.parametrize("version", ["0001", "0002"])
def test_jobs_of_an_older_store_are_settled_if_they_had_ended_and_open_if_not(place, version):
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "chatwright:store/migrations")
    states = ("queued", "running", "done", "failed", "stopped")
    with open_store(place) as store, store.database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, version)
        columns = {column["name"] for column in sa.inspect(connection).get_columns("jobs")}
        assert not columns & {"owner", "host", "seen_at", "settled_at"}
        for state in states:
            told = "INSERT INTO jobs (kind, state, settings, created_at) VALUES ('loop', :state, '{}', :now)"
            connection.execute(sa.text(told), {"state": state, "now": "2026-01-01 00:00:00+00:00"})
    with open_store(place) as store:
        assert [job.state for job in store.jobs.open()] == ["queued", "running"]
        assert {(job.owner, job.host) for job in store.jobs.all()} == {("", "")}
        assert store.jobs.finish(store.jobs.all(state="done")[0].id).settled_at == NOW


def test_a_migration_can_be_taken_back(tmp_path):
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "chatwright:store/migrations")
    with open_store(tmp_path / "a.db") as store, store.database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(sa.inspect(connection).get_table_names()) <= {"alembic_version", "sqlite_sequence"}


def test_many_who_open_a_new_store_at_once_all_get_it_whole(tmp_path):
    ends, ready = [], threading.Barrier(5)

    def work() -> None:
        ready.wait()
        with open_store(tmp_path / "deep" / "a.db") as store:
            store.usage.record("sft", tokens_in=1, tokens_out=1)
            ends.append(store.database.is_sqlite)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == [True] * 5
    with open_store(tmp_path / "deep" / "a.db") as store:
        assert store.usage.total().requests == 5


def test_a_store_on_disk_is_for_its_owner_only_and_every_commit_reaches_the_disk(tmp_path):
    with open_store(tmp_path / "a.db") as store, store.database.writing() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
        assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        if os.name == "posix":
            assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_store_of_a_newer_chatwright_is_left_alone(place):
    with open_store(place) as store, store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ArtefactError, match="written by a newer chatwright .its version is 9999.; update"):
        open_store(place)
    engine = sa.create_engine(url_of(place))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{NEWEST}'")
    engine.dispose()
    open_store(place).close()


@pytest.mark.parametrize("address", ["mysql://user:pass@host/x", "://", "postgres ql://user:pass@x", "sqlite://"])
def test_an_address_of_another_kind_is_refused_without_repeating_a_password(address):
    with pytest.raises(ConfigError) as error:
        open_store(address)
    assert "pass" not in str(error.value).replace("password", "")


def test_a_database_that_does_not_run_is_one_sentence_without_the_password():
    with pytest.raises(ResourceError, match="check that the database runs") as error:
        open_store("postgresql://user:geheim@127.0.0.1:1/nothing")
    assert "geheim" not in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_no_database_is_refused_and_stays_as_it_is(tmp_path):
    path = tmp_path / "a.db"
    path.write_bytes(b"These are my notes, not a database. " * 200)
    with pytest.raises(ArtefactError, match="is no intact SQLite database"):
        open_store(path)
    assert path.read_bytes().startswith(b"These are my notes")


def test_a_write_that_fails_half_way_leaves_nothing(store):
    with pytest.raises(ZeroDivisionError), store.database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO settings (name, value) VALUES ('guidelines', '\"x\"')")
        raise ZeroDivisionError
    assert store.settings.get("guidelines") == ""


def test_the_store_needs_no_torch_and_imports_no_alembic_when_it_is_up_to_date(tmp_path):
    path = tmp_path / "a.db"
    open_store(path).close()
    code = (
        f"from chatwright.store import open_store; open_store({str(path)!r}).close(); import sys; print([*sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("torch", "alembic", "fastapi", "numpy"):
        assert f"'{heavy}'" not in done.stdout


# -- backups -------------------------------------------------------------------------------------------------------


def test_a_backup_is_one_whole_file_made_while_others_write(tmp_path):
    out, stop = tmp_path / "copies" / "copy.db", threading.Event()
    with open_store(tmp_path / "a.db") as store:
        store.settings.set("guidelines", "x" * 40_000)

        def keep_writing() -> None:
            while not stop.is_set():
                store.usage.record("sft", tokens_in=1, tokens_out=1)

        writer = threading.Thread(target=keep_writing)
        writer.start()
        try:
            before = store.usage.total().requests
            assert store.back_up(out) == out
            after = store.usage.total().requests
        finally:
            stop.set()
            writer.join()
        with pytest.raises(ArtefactError, match="is the store itself"):
            store.back_up(tmp_path / "a.db")
    assert [path.name for path in out.parent.iterdir()] == ["copy.db"]
    if os.name == "posix":
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with open_store(out) as copy:
        assert before <= copy.usage.total().requests <= after
        assert len(copy.settings.get("guidelines")) == 40_000


@pytest.mark.slow
@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_a_backup_of_postgresql_can_be_restored(new_place, tmp_path):
    place, other = new_place(), new_place()
    for program in ("pg_dump", "pg_restore"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    with open_store(place) as store:
        store.keys.add("a")
        store.back_up(tmp_path / "copy.dump")
    subprocess.run(["pg_restore", "--clean", "--if-exists", f"--dbname={other}", tmp_path / "copy.dump"], check=True)
    with open_store(other) as copy:
        assert [key.name for key in copy.keys.all()] == ["a"]


@pytest.mark.slow
@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_without_pg_dump_a_backup_of_postgresql_says_what_is_missing(new_place, tmp_path, monkeypatch):
    place = new_place()
    monkeypatch.setenv("PATH", str(tmp_path))
    with open_store(place) as store, pytest.raises(ResourceError, match="pg_dump is not installed"):
        store.back_up(tmp_path / "copy.dump")
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_is_not_intact_is_not_kept(tmp_path):
    path, out = tmp_path / "a.db", tmp_path / "copy.db"
    with open_store(path) as store:
        store.settings.set("guidelines", "x" * 40_000)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 9000] = b"\xff" * 9000
    store = open_store(tmp_path / "other.db")
    path.write_bytes(bytes(content))
    store.database.url = store.database.url.set(database=str(path))
    with pytest.raises(ArtefactError, match="not intact"):
        store.back_up(out)
    store.close()
    assert not out.exists()
