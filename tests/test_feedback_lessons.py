"""What a run takes from the store, which rows it names as learned, and what becomes of rows that are removed."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import fakes
from chatwright.__main__ import main
from chatwright.errors import ConfigError, InputError, ThrottledError
from chatwright.feedback.collected import queue_answers, take_simulated
from chatwright.feedback.lessons import Lessons
from chatwright.feedback.rankings import read_rankings
from chatwright.recipes import read_recipe, run_recipe
from chatwright.runs import open_stage
from chatwright.store import Store, open_store
from chatwright.store.feedback import NewRow
from chatwright.text.records import ConversationSource, read_conversations, read_prompts

ADDRESS = "people.db"
"""Of the store; a fixture puts another here."""
RECIPE = """
name = "from people"
store = "people.db"

[reward]
model = "given"
rankings = "store"

[ppo]
policy = "given"
prompts = "store"
"""


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.install(monkeypatch)
    monkeypatch.setattr(fakes, "fake_reward", reward_that_minds_its_data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHATWRIGHT_STORE", raising=False)
    Path("given").mkdir()
    Path("given/model.txt").write_text("model")


def reward_that_minds_its_data(config: fakes.FakeReward) -> Path:
    """Unlike the plain fake its identity covers the rankings, as that of the real stage does."""
    parents = {"model": config.model}
    with open_stage("reward", config, out=config.out, parents=parents, inputs=config.rankings) as stage:
        if not stage.complete:
            fakes.WORKED.append("reward")
            if "reward" in fakes.BROKEN:
                raise fakes.BROKEN["reward"]
            stage.write("result.txt", str(len(read_rankings(config.rankings))))
            stage.finish()
    return config.out


@pytest.fixture
def people(new_place: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store on each kind of database, which the recipes name."""
    monkeypatch.setattr(sys.modules[__name__], "ADDRESS", new_place())
    with open_store(ADDRESS) as store:
        yield store


@pytest.fixture
def people_in_a_file() -> Any:
    """The file that the recipes name."""
    with open_store("people.db") as store:
        yield store


@dataclass(frozen=True, kw_only=True)
class PPOWithParts:
    """The real stage's prompts may be tables, too."""

    out: Path
    policy: Path
    reward: Path
    prompts: list[str | ConversationSource]
    validation_prompts: list[str | ConversationSource] = field(default_factory=list)
    iterations: int = 1
    batch: int = 1
    minibatches: int = 1
    learning_rate: float = 1.0
    kl_coefficient: float = 1.0
    precision: str = "auto"


def ranked(number: int, **changes: Any) -> NewRow:
    prompt = [{"role": "user", "content": f"question {number}?"}]
    content = {"prompt": prompt, "answers": ["good", "bad"], "ranks": [1, 2], "verdict": "ranked", "models": ["", ""]}
    return NewRow(kind="ranking", content=content | changes.pop("content", {}), origin="task", **changes)


def labeler(store: Store, name: str = "Ada", role: Any = "labeler") -> int:
    return store.people.add(name, None, role=role).id


def recipe(text: str = RECIPE) -> Path:
    path = Path("recipe.toml")
    path.write_text(text.replace('"people.db"', f'"{ADDRESS}"'), encoding="utf-8")
    return path


def run(text: str = RECIPE, **settings: Any) -> list[str]:
    """The folders in which something was done."""
    fakes.WORKED.clear()
    run_recipe(recipe(text), out=Path("run"), **settings)
    return list(fakes.WORKED)


def learned_from(store: Store) -> dict[int, tuple[str, ...]]:
    return {row.id: row.trained_on for row in store.feedback.rows(states=None, consent=None) if row.trained_on}


def ids_in(name: str) -> list[int]:
    return [json.loads(line)["facts"]["feedback_id"] for line in Path("run/store", name).read_text().splitlines()]


def test_only_rows_that_are_approved_and_agreed_to_are_taken_and_they_know_the_run(people):
    ada, guest = labeler(people), labeler(people, "Guest", "chatter")
    own = [people.feedback.add(ada, ranked(number)).id for number in range(3)]
    waiting = people.feedback.add(guest, ranked(10))
    people.feedback.add(ada, ranked(11, consent=False))
    people.feedback.add(ada, ranked(12, content={"verdict": "cannot_judge", "ranks": []}))
    rejected = people.feedback.add(ada, ranked(13)).id
    people.feedback.decide([rejected], approve=False, by=ada)
    assert waiting.state == "waiting"
    assert run() == ["reward", "ppo"]
    assert ids_in("rankings.jsonl") == own
    prompts = [prompt.last.content for prompt, _ in read_prompts("run/store/prompts.jsonl")]
    assert prompts == ["question 0?", "question 1?", "question 2?", "question 12?"]  # asked, if not judged
    assert {row for row, runs in learned_from(people).items() if runs == ("run",)} == {*own, own[-1] + 3}
    people.feedback.decide([waiting.id], approve=True, by=ada)
    assert run() == ["reward", "ppo"] and ids_in("rankings.jsonl") == [*own, waiting.id]


def test_what_is_beyond_a_persons_cap_is_not_there_to_be_learned(people):
    people.settings.set("daily_caps", {"labeler": 2})
    ada = labeler(people)
    for number in range(2):
        people.feedback.add(ada, ranked(number))
    with pytest.raises(ThrottledError):
        people.feedback.add(ada, ranked(2))
    run()
    assert len(ids_in("rankings.jsonl")) == 2


def test_removing_a_persons_rows_makes_the_next_run_learn_anew_without_them(people, capsys):
    ada, eve = labeler(people), labeler(people, "Eve")
    kept = people.feedback.add(ada, ranked(1)).id
    gone = [people.feedback.add(eve, ranked(number)).id for number in (2, 3)]
    run()
    assert run() == []
    assert people.personal.trained_runs(eve) == ["run"]
    assert people.personal.delete(eve).runs == ("run",)
    assert people.feedback.runs() == {"run": (3, 2)}
    capsys.readouterr()
    assert run() == ["reward", "ppo"]
    said = capsys.readouterr().out
    assert "reward: done again, because its data has changed" in said
    assert "store: 2 rows are out of this run; ppo@" in said and "still hold what was learned from them" in said
    assert ids_in("rankings.jsonl") == [kept]
    assert people.feedback.runs() == {"run": (1, 0)} and not {*gone} & learned_from(people).keys()
    assert "question 2" not in "".join(file.read_text() for file in Path("run/store").iterdir())


def test_an_unfinished_run_goes_on_with_the_rows_it_began_with_less_those_removed(people, capsys):
    ada = labeler(people)
    first = [people.feedback.add(ada, ranked(number)).id for number in range(3)]
    fakes.BROKEN["ppo"] = fakes.BROKEN_TRAINING
    with pytest.raises(type(fakes.BROKEN_TRAINING)):
        run()
    assert learned_from(people) == dict.fromkeys(first, ("run",))  # the reward model is complete, PPO is not
    people.feedback.add(ada, ranked(3))
    fakes.BROKEN.clear()
    capsys.readouterr()
    assert run() == ["ppo"] and ids_in("rankings.jsonl") == first
    assert "1 more since this run began" in capsys.readouterr().out
    assert run() == ["reward", "ppo"] and len(ids_in("rankings.jsonl")) == 4
    fakes.BROKEN["reward"] = fakes.BROKEN_TRAINING
    people.feedback.add(ada, ranked(4))
    with pytest.raises(type(fakes.BROKEN_TRAINING)):
        run()
    assert len(ids_in("rankings.jsonl")) == 5
    people.feedback.remove(first[:1])
    people.feedback.add(ada, ranked(5))
    fakes.BROKEN.clear()
    run()
    assert len(ids_in("rankings.jsonl")) == 4 and first[0] not in ids_in("rankings.jsonl")


def test_a_stage_that_breaks_off_has_learned_from_nothing_yet(people):
    people.feedback.add(labeler(people), ranked(1))
    fakes.BROKEN["reward"] = fakes.BROKEN_TRAINING
    with pytest.raises(type(fakes.BROKEN_TRAINING)):
        run()
    assert learned_from(people) == {}


def test_simulated_rows_are_marked_counted_and_can_be_left_out(people, capsys):
    ada = labeler(people)
    real = people.feedback.add(ada, ranked(1)).id
    people.feedback.add(ada, ranked(2, simulated=True))
    run()
    assert "2 rankings, 2 comparisons, 1 of 2 rows are simulated" in capsys.readouterr().out
    marks = [ranking.facts.get("simulated", False) for ranking in read_rankings("run/store/rankings.jsonl")]
    assert marks == [False, True]
    assert json.loads(Path("run/store/taken.json").read_text())["rankings.jsonl"]["simulated"] == 1
    assert run(settings=["with_simulated=false"]) == ["reward", "ppo"]
    assert ids_in("rankings.jsonl") == [real]


def test_written_answers_and_chats_rated_good_are_what_sft_learns(people):
    ada = labeler(people)
    turn = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    for kind, content in (
        ("demonstration", {"messages": turn}),
        ("chat_rating", {"messages": [*turn, *turn], "good": True}),
        ("chat_rating", {"messages": turn, "good": False}),
        ("demonstration", {"messages": turn[:1]}),
    ):
        people.feedback.add(ada, NewRow(kind=kind, content=content))
    lessons = Lessons(ADDRESS, Path("run/store"), "run")
    lessons.take(["demonstrations.jsonl"], anew=True)
    found = read_conversations(["run/store/demonstrations.jsonl"])
    assert [len(conversation.messages) for conversation in found] == [2, 4]


def test_the_word_store_may_stand_in_lists_and_in_tables_with_a_part(people, monkeypatch):
    Path("more.jsonl").write_text("{}\n")
    text = RECIPE.replace('rankings = "store"', 'rankings = ["more.jsonl", "store"]')
    steps = {step.table: step for step in read_recipe(recipe(text), out=Path("run")).steps}
    assert steps["reward"].config.rankings == (Path("more.jsonl"), Path("run/store/rankings.jsonl"))
    assert steps["reward"].reads == ("rankings.jsonl",) and steps["ppo"].reads == ("prompts.jsonl",)
    monkeypatch.setattr(fakes, "FakePPO", PPOWithParts)
    text = RECIPE.replace('prompts = "store"', 'prompts = { path = "store", part = [0, 0.5] }')
    ppo = read_recipe(recipe(text), out=Path("run")).steps[1].config
    assert [(source.path, source.part) for source in ppo.prompts] == [("run/store/prompts.jsonl", (0, 0.5))]


WRONG = [
    ('store = "people.db"\n', "", 'recipe.toml:6 [reward]: rankings needs a store; write store = "chatwright.db"'),
    ("people.db", "poeple.db", "recipe.toml:7 [reward]: there is no store poeple.db"),
    ('"people.db"', "5", "recipe.toml:3: store must be a path or an address, in quotes"),
    ('store = "people.db"\n', '[store]\nstage = "ppo"\n', "recipe.toml:3 [store]: store/ holds what is taken"),
    ('store = "people.db"', 'store = "people.db"\nwith_simulated = 1', "with_simulated must be true or false"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_mistakes_about_the_store_are_told_before_anything_is_written(people_in_a_file, old, new, message):
    with pytest.raises(ConfigError) as error:
        run(RECIPE.replace(old, new))
    assert message in str(error.value)
    assert not Path("run").exists() and not Path("poeple.db").exists()


def test_the_store_may_come_with_the_command_or_the_environment_and_its_password_stays_out_of_files(
    people_in_a_file, monkeypatch
):
    people_in_a_file.feedback.add(labeler(people_in_a_file), ranked(1))
    without = RECIPE.replace('store = "people.db"\n', "")
    assert run(without, settings=["store=people.db"]) == ["reward", "ppo"]
    monkeypatch.setenv("CHATWRIGHT_STORE", "people.db")
    assert run(without) == []
    place = "postgresql://ada:secret@nowhere.invalid/people"
    assert read_recipe(recipe(without), out=Path("run"), settings=[f"store={place}"]).store == place
    assert "people.db" not in "".join(file.read_text() for file in Path("run").rglob("*.json"))


def test_an_empty_store_says_what_is_missing_and_keeps_the_summary_of_an_earlier_run(people):
    with pytest.raises(InputError, match="holds no ranking that may be trained on; rank answers first"):
        run()
    row = people.feedback.add(labeler(people), ranked(1)).id
    run()
    people.feedback.remove([row])
    with pytest.raises(InputError, match="holds no ranking"):
        run()
    assert Path("run/summary.json").exists()


# -- the queue -----------------------------------------------------------------------------------------------------


def asked(prompt: str, **facts: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"prompt": messages, "answers": ["one", "two"], "source": "runs/first/sft", "facts": facts}


def test_answers_are_queued_once_and_never_for_those_who_wrote_the_question(people):
    ada, bo = labeler(people), labeler(people, "Bo")
    chats = {}
    for name, consent in (("open", True), ("closed", False)):
        chat = people.chats.start(ada, consent=consent)
        people.chats.say(ada, chat.id, "user", f"{name}?")
        chats[name] = chat.id
    written = people.feedback.add(ada, NewRow(kind="prompt", content={"prompt": asked("w?")["prompt"]})).id
    lines = [
        asked("plain?", kind="chat"),
        asked("open?", chat_id=chats["open"]),
        asked("closed?", chat_id=chats["closed"]),
        asked("w?", feedback_ids=[written]),
        asked("gone?", feedback_ids=[written + 99]),
        {**asked("always the same?"), "answers": ["Yes."]},  # nothing to rank
    ]
    answers = Path("answers.jsonl")
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert queue_answers(people, answers, overlap=2) == (3, 0)
    assert queue_answers(people, answers, overlap=2) == (0, 3)
    tasks = people.tasks.all()
    assert [(task.content["prompt"][0]["content"], task.author_id) for task in tasks] == [
        ("plain?", None),
        ("open?", ada),
        ("w?", ada),
    ]
    assert {task.overlap for task in tasks} == {2} and tasks[0].category == "chat"
    assert people.labelling.next(ada).messages[0]["content"] == "plain?"
    people.chats.delete(ada, chats["open"])
    assert len(people.tasks.all()) == 2
    assert people.labelling.next(bo) is not None


def test_the_command_queues_what_a_collect_stage_has_sampled(people, capsys):
    Path("collect").mkdir()
    Path("collect/answers.jsonl").write_text(json.dumps(asked("plain?")) + "\n")
    order = ["feedback", "queue", "collect", "--store", ADDRESS]
    assert main([*order, "--overlap", "2"]) == 0 and main(order) == 0
    assert capsys.readouterr().out == "1 task queued, 0 were there before\n0 tasks queued, 1 were there before\n"
    assert people.tasks.all()[0].overlap == 2
    assert main(["feedback", "queue", "nowhere", "--store", ADDRESS]) == 2
    assert "nowhere/answers.jsonl does not exist; name the folder of a collect stage" in capsys.readouterr().err


def test_the_command_queues_answers_to_rate_and_prompts_to_answer(people, capsys):
    Path("collect").mkdir()
    Path("collect/answers.jsonl").write_text(json.dumps(asked("plain?")) + "\n")
    order = ["feedback", "queue", "collect", "--store", ADDRESS]
    assert main([*order, "--as", "rate_answer"]) == 0 and main([*order, "--as", "demonstration"]) == 0
    kinds = [(task.kind, task.content.get("answers")) for task in people.tasks.all()]
    assert kinds == [("rate_answer", ["one"]), ("rate_answer", ["two"]), ("demonstration", None)]
    assert people.tasks.all()[2].source == "collect"
    assert main([*order, "--as", "rate_chat"]) == 2 and "must be one of rank" in capsys.readouterr().err


def simulated(prompt: str, **facts: Any) -> str:
    return json.dumps({**asked(prompt, **facts), "ranks": [2, 1], "labeler": "simulated", "gold": [0.1, 0.9]}) + "\n"


def test_a_simulated_labeler_fills_in_once_and_nobody_takes_it_for_a_person(people, capsys):
    Path("collect").mkdir()
    ada = labeler(people)
    written = people.feedback.add(ada, NewRow(kind="prompt", content={"prompt": asked("w?")["prompt"]})).id
    lines = [simulated("plain?", kind="chat")]
    lines += [simulated("w?", feedback_ids=[written]), simulated("x?", feedback_ids=[written + 99])]
    Path("collect/rankings.jsonl").write_text("".join(lines))
    order = ["feedback", "queue", "collect", "--simulated", "--store", ADDRESS]
    assert main(order) == 0 and main(order) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [f"{new} simulated rankings stored, {known} were there before" for new, known in ((2, 0), (0, 2))]
    assert people.tasks.all() == []
    rows = people.feedback.rows(kinds=("ranking",))
    assert [(row.simulated, row.role, row.person_id, row.state) for row in rows] == [
        (True, "simulated", None, "approved")
    ] * 2
    assert people.feedback.rows(kinds=("ranking",), simulated=False) == []
    Lessons(ADDRESS, Path("run/store"), "run").take(("rankings.jsonl",), anew=True)
    assert "2 of 2 rows are simulated" in capsys.readouterr().out
    taken = map(json.loads, Path("run/store/rankings.jsonl").read_text().splitlines())
    assert [line["facts"]["simulated"] for line in taken] == [True, True]
    people.personal.delete(ada)
    assert [row.content["prompt"][0]["content"] for row in people.feedback.rows(kinds=("ranking",))] == ["plain?"]


def test_a_stage_that_no_simulated_labeler_has_ranked_gives_no_rankings(people, capsys):
    Path("collect").mkdir()
    Path("collect/answers.jsonl").write_text(json.dumps(asked("plain?")) + "\n")
    order = ["feedback", "queue", "collect", "--simulated", "--store", ADDRESS]
    assert main(order) == 2 and "no simulated labeler has ranked there" in capsys.readouterr().err
    assert main([*order, "--overlap", "2"]) == 2 and "leave --as and --overlap out" in capsys.readouterr().err
    Path("collect/rankings.jsonl").write_text(simulated("plain?") + "{\n")
    assert main(order) == 2 and "rankings.jsonl:2" in capsys.readouterr().err
    assert take_simulated(people, Path("collect/rankings.jsonl"), limit=1) == (1, 0)


def test_the_recipe_for_feedback_reads_as_it_stands(people_in_a_file, monkeypatch):
    monkeypatch.setattr(fakes, "FakePPO", PPOWithParts)
    Path("first/sft").mkdir(parents=True)
    path = Path(__file__).parent.parent / "recipes" / "feedback.toml"
    steps = read_recipe(path, out=Path("run"), settings=["base=first", "store=people.db"]).steps
    assert [(step.table, step.reads) for step in steps] == [
        ("reward", ("rankings.jsonl",)),
        ("ppo", ("prompts.jsonl",)),
    ]
    assert steps[1].config.prompts[0].part == (0, 0.9) and steps[1].config.policy == Path("first/sft")


QUEUE = """
store = "people.db"

[collect]
model = "given"
prompts = "store"
queue = 3
"""


def test_collect_asks_what_people_wrote_and_its_answers_wait_to_be_ranked(people, monkeypatch):
    def collect(config: fakes.FakeCollect) -> Path:
        with open_stage("collect", config, out=config.out, inputs=[Path(config.prompts)]) as stage:
            if not stage.complete:
                prompts = read_prompts(config.prompts)
                rows = [asked(prompt.last.content, **facts) for prompt, facts in prompts]
                stage.write("answers.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
                stage.finish()
        return config.out

    monkeypatch.setattr(fakes, "fake_collect", collect)
    ada = labeler(people)
    chat = people.chats.start(ada, consent=True)
    said = people.chats.say(ada, chat.id, "user", "from a chat?")
    people.chats.say(ada, chat.id, "assistant", "yes", parent_id=said.id)
    people.feedback.add(ada, NewRow(kind="prompt", content={"prompt": asked("written?")["prompt"]}))
    people.feedback.add(ada, ranked(1))  # was answered and ranked before
    run(QUEUE)
    tasks = people.tasks.all(kind="rank")
    assert [task.content["prompt"][0]["content"] for task in tasks] == ["written?", "from a chat?"]
    assert {task.overlap for task in tasks} == {3} and {task.author_id for task in tasks} == {ada}
    assert learned_from(people) == {}  # asking is not training
    run(QUEUE)
    assert len(people.tasks.all()) == 2


@pytest.mark.parametrize("value", ["0", "-1", '"many"', "1.5"])
def test_a_queue_of_no_number_of_people_is_a_mistake(people, value):
    with pytest.raises(ConfigError, match=r"recipe.toml:7 \[collect\]: queue is .*; write true, or how many rank each"):
        read_recipe(recipe(QUEUE.replace("queue = 3", f"queue = {value}")), out=Path("run"))


def test_a_queue_may_be_plainly_true_or_false(people):
    for value, expected in (("true", 1), ("false", 0)):
        text = QUEUE.replace("queue = 3", f"queue = {value}")
        assert read_recipe(recipe(text), out=Path("run")).steps[0].queue == expected
