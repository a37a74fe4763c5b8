"""A lab that is being played: what is latched, what undo takes back, and in what words a goal is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmlab.course.goals import Searched
from kvmlab.course.hints import LATE
from kvmlab.course.player import OWN, Player
from kvmlab.course.standing import BROKEN, OPEN, REACHED, Score
from kvmlab.place import Place
from tests.course.stand import changed, playing, say

RACE = Path(__file__).parents[2] / "labs" / "70-stress-then-explore.md"


def states(player: Player) -> dict[str, str]:
    """Return the state of each goal."""
    return {goal.id: goal.state for goal in player.standing().goals}


def why(player: Player, goal: str) -> str:
    """Return why a goal is open."""
    return next(each.why for each in player.standing().goals if each.id == goal)


def test_a_goal_is_latched_when_it_is_first_so() -> None:
    """What the machine does next does not open it; the light says that it is not so now."""
    player = playing()
    assert "goal reached: Ring twice. (1 of 4)" in say(player, "write bell 2")
    assert states(player)["rung"] == REACHED
    assert "reached" not in say(player, "read bell")
    rung = next(goal for goal in player.standing().goals if goal.id == "rung")
    assert (rung.state, rung.light, rung.why) == (REACHED, False, "")


def test_undo_and_goto_before_the_moment_open_it_again_and_redo_reaches_it() -> None:
    """The moment is a part of the way, not of the keys that were pressed."""
    player = playing()
    say(player, "write bell 2", "read bell", "undo")
    assert states(player)["rung"] == REACHED
    assert say(player, "undo").endswith("open again: Ring twice.")
    assert states(player)["rung"] == OPEN
    assert "goal reached: Ring twice." in say(player, "redo")
    say(player, "goto 0")
    assert states(player)["rung"] == OPEN
    say(player, "write bell", "undo", "write bell 2", "goto 0", "goto 1")
    assert states(player)["rung"] == REACHED


def test_another_way_behind_undo_has_not_what_the_first_one_had() -> None:
    """What was undone and gone past is forgotten."""
    player = playing()
    say(player, "write bell 2", "undo", "write bell")
    assert states(player)["rung"] == OPEN
    assert "eventfd.bell.count is 1" in why(player, "rung")


def test_why_a_goal_is_open_is_said_in_terms_of_the_state() -> None:
    """The author's words, then the values."""
    player = playing()
    assert why(player, "rung") == "the bell holds another number: eventfd.bell.count is 0"
    assert why(player, "sum") == "'lab answer sum 1|2' before anything is run"
    assert "it counts when the other goals are reached" in why(player, "gentle")
    assert "it counts when the other goals are reached" in why(player, "silent")
    say(player, "write bell")
    assert why(player, "silent") == "eventfd.bell.count is 1"


def test_what_must_hold_in_the_end_is_judged_when_the_rest_is_done() -> None:
    """`never` and `holds` are reached together with the last of the others, or behind it."""
    player = playing()
    assert "  A read takes all." in say(player, "lab answer sum 2")
    say(player, "write bell 2")
    assert states(player) == {"sum": REACHED, "rung": REACHED, "gentle": REACHED, "silent": OPEN}
    told = say(player, "read bell")
    assert "the lab is done: 2 steps, 0 switches." in told
    assert say(player, "write bell 9").startswith("→ 0")
    assert player.standing().solved, "what is done is a sandbox, and stays done"


def test_what_must_never_be_is_broken_until_before_the_moment() -> None:
    """Mending the state does not mend the way."""
    player = playing()
    told = say(player, "write door", "write bell 3")
    assert "mistake: Too often." in told
    assert states(player)["gentle"] == BROKEN
    say(player, "read bell")
    assert why(player, "gentle") == ("it became so with unit 2, write bell 3: 'goto 1' leads back before it")
    say(player, "undo 2")
    assert states(player)["gentle"] == OPEN


def test_a_mistake_is_told_once() -> None:
    """Also where it is undone and made again."""
    player = playing()
    assert "mistake" in say(player, "write bell 3")
    assert "mistake" not in say(player, "undo", "write bell 3", "write bell")
    assert player.standing().mistakes == ("Too often.",)


def test_a_mistake_is_about_the_machine_of_the_lab() -> None:
    """On one that the learner makes to try something nothing is mistaken, unless a goal asks for it."""
    player = playing()
    assert "mistake" not in say(player, "machine; eventfd bell", "write bell 3")
    asked = ('when = "eventfd.bell.count == 2"\n', 'when = "eventfd.bell.count == 2"\napi = "resample"\n')
    player = playing(changed(('kind = "reach"', 'kind = "find"'), asked))
    assert "mistake" not in say(player, "machine; eventfd bell", "write bell 3")
    assert "mistake: Too often" in say(player, "machine api=resample; eventfd bell", "write bell 3")


def test_a_refusal_that_was_foretold_is_no_mistake() -> None:
    """Who names the errno beforehand does it on purpose."""
    text = changed(
        ('[[mistake]]\nwhen = "eventfd.bell.count > 2"', '[[mistake]]\nwhen = "last.errno == EAGAIN"')
    )
    player = playing(text)
    assert "mistake" not in say(player, "expect EAGAIN: read bell")
    assert player.standing().mistakes == ()
    assert "mistake: Too often" in say(playing(text), "expect 0: read bell")


def test_goals_are_looked_for_after_every_op_in_manual() -> None:
    """A state that is there for one op only is reached, and is not lost with the op behind it."""
    text = changed(
        ('when = "eventfd.bell.count == 2"', 'when = "eventfd.bell.count == 2 and last.ret == none"')
    )
    player = playing(text)
    say(player, "manual", "write bell 2")
    assert states(player)["rung"] == OPEN
    say(player, "step user 9")
    assert states(player)["rung"] == REACHED


def test_hints_come_rung_by_rung_and_only_where_they_help() -> None:
    """The highest rung is said again."""
    player = playing()
    assert [player.hint(player.lab.goal("rung")) for _ in range(3)] == [
        "nudge (1 of 3)", "pointer (2 of 3)", "write bell 2 (3 of 3)",
    ]  # fmt: skip
    assert player.hint(player.lab.goal("rung")) == "a (1 of 3)", "then one for the lab"
    say(player, "write bell 2")
    assert player.hint(player.lab.goal("rung")) == "b (2 of 3)", "the first helps in other states"
    assert player.standing().hints == ("nudge", "pointer", "write bell 2", "a", "b")


def test_a_hint_for_a_question_that_comes_too_late_leads_back_first() -> None:
    """So does why it is open; behind the reset, and for other goals, it is the hint alone."""
    text = changed(
        (
            '[[hint]]\ngoal = "rung"',
            '[[hint]]\ngoal = "sum"\nsay = ["x", "y", "lab answer sum 2"]\n\n[[hint]]\ngoal = "rung"',
        )
    )
    player = playing(text)
    asked, rung = player.lab.goals[:2]
    assert player.hint(asked) == "x (1 of 3)"
    say(player, "write bell", "undo")
    assert player.hint(asked) == f"{LATE}y (2 of 3)"
    assert player.hint(rung) == "nudge (1 of 3)"
    assert why(player, "sum") == "an answer counts before anything is run: 'reset' leads back to the start"
    wrong = playing(text)
    say(wrong, "lab answer sum 1")
    assert wrong.hint(asked) == f"{LATE}x (1 of 3)"
    assert why(wrong, "sum") == "you said 1; 'reset' gives another try"


def test_an_answer_comes_before_anything_is_run() -> None:
    """There is one, it is one of those offered, and a wrong one is explained behind the run."""
    player = playing()
    goal = player.lab.goals[0]
    assert player.answer(goal, "7") == ("expected one of 1, 2, not 7", False)
    assert player.answer(player.lab.goals[1], "2")[1] is False
    assert player.answer(goal, "1") == ("noted: 1. Run it and see.", True)
    assert player.answer(goal, "2")[1] is False
    told = say(player, "write bell 2")
    assert "your answer was wrong: 1, and it is 2. A read takes all." in told
    late = playing()
    say(late, "write bell", "undo")
    assert late.answer(goal, "2")[1] is False


def test_undo_costs_nothing() -> None:
    """The score is of the way that stands: its steps, and its switches between contexts."""
    player = playing()
    say(
        player,
        "write bell",
        "undo",
        "write bell",
        "take",
        "undo 2",
        "write bell",
        "expect eventfd.bell.count == 1",
    )
    assert player.score() == Score(0, 1)
    say(player, "take", "take vcpu=1", "write bell")
    assert player.score() == Score(3, 4)
    assert player.schedule() == ("write bell", "take", "take vcpu=1", "write bell")


def test_a_machine_of_the_learners_takes_along_what_was_reached() -> None:
    """And the way to it: the schedule begins before that machine."""
    player = playing()
    say(player, "write bell 2", "never reports > 0", "machine vcpus=2", "eventfd other")
    assert states(player)["rung"] == REACHED
    assert player.schedule() == ("write bell 2", "never reports > 0", "machine vcpus=2", "eventfd other")
    say(player, "undo")
    assert states(player)["rung"] == REACHED


def test_what_is_interrupted_is_forgotten() -> None:
    """A place has what a lab knew there."""
    player = playing()
    place = Place(player.session)
    say(player, "write bell 3")
    assert player.standing().mistakes
    assert place.restore()
    assert player.standing().mistakes == ()
    assert states(player)["gentle"] == OPEN


@pytest.fixture(name="race")
def _race() -> Player:
    player = playing(RACE.read_text(encoding="utf-8"))
    say(player, "write trigger", "take", "actor cpu: eoi", "actor closer: close unmask")
    return player


def test_a_proof_is_the_learners_own_exploration(race: Player) -> None:
    """What it found, and where it fell short of what is asked."""
    assert why(race, "found") == "nothing was explored since the start"
    assert "goal reached: Let the guest's EOI race" in say(race, "explore")
    assert why(race, "mended") == "the machine has to be made with no without="
    say(race, "undo")
    assert states(race)["found"] == OPEN


def test_what_was_found_is_played(race: Player) -> None:
    """`replay` takes the schedules of the last explore, and ends in what they found."""
    assert "there is no schedule 1" in say(race, "replay")
    say(race, "explore")
    assert "there is no schedule 9" in say(race, "replay found=9")
    assert "goal reached: Play a schedule" in say(race, "replay found=2")
    assert race.score().switches >= 3


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        ("explore bound=1", "it has not seen every schedule: bounded"),
        ("explore atomicity=section", "at atomicity=section it has not seen every schedule"),
        ("explore cap=3", "it has not seen every schedule: capped"),
        ("never trace.kvm_eoi > 9; explore", "it could not check 'never trace.kvm_eoi > 9'"),
    ],
)
def test_a_proof_has_seen_every_schedule(race: Player, words: str, lacks: str) -> None:
    """Anything less proves nothing, and says why."""
    script = race.lab.start.script.strip().replace("\n", "; ")
    say(
        race,
        f"machine; {script}",
        "write trigger; take",
        "actor cpu: eoi",
        "actor closer: close unmask",
        words,
    )
    assert why(race, "mended") == lacks


def test_who_has_gone_past_where_a_search_begins_is_led_back(race: Player) -> None:
    """To the newest moment from which it would begin as the goal asks; in why, and first in its hints."""
    mended, script = race.lab.goal("mended"), race.lab.start.script.strip().replace("\n", "; ")
    assert mended is not None
    say(race, "eoi")
    assert why(race, "mended") == "nothing was explored since the start", "nor could it be, in that machine"
    say(race, f"machine; {script}", "write trigger", "take")
    assert race.hint(mended).startswith("The switch is a word of")
    say(race, "eoi")
    back = "'goto 7' leads back to where a search begins"
    assert why(race, "mended") == f"nothing was explored since the start; {back}"
    assert race.hint(mended).startswith(
        "'goto 7' first, for a search would begin elsewhere here. 'machine' alone"
    )
    say(race, "goto 7")
    assert why(race, "mended") == "nothing was explored since the start"


def test_a_lab_is_unfinished_once_something_was_done_until_it_is_solved() -> None:
    """An answer is something; a lab that was only opened can be opened again."""
    player = playing()
    assert not player.unfinished
    say(player, "lab answer sum 2")
    assert player.unfinished
    say(player, "write bell 2", "read bell")
    assert player.standing().solved and not player.unfinished


def test_a_machine_of_ones_own_is_called_so(race: Player) -> None:
    """Once, when it is made, with the way back; the start of the lab itself is none."""
    assert OWN not in say(race, "eventfd more")
    assert say(race, "machine").count(OWN) == 1
    assert OWN not in say(race, "eventfd more")


def test_nothing_that_stands_ready_proves_nothing(race: Player) -> None:
    """An exploration of nobody is no proof, nor is one that began elsewhere."""
    script = race.lab.start.script.strip().replace("\n", "; ")
    say(race, f"machine; {script}", "explore")
    assert why(race, "mended").startswith("the search began elsewhere: ioapic.11.remote_irr is 0")
    say(race, "write trigger; take", "explore")
    assert why(race, "mended") == "no actor stood ready, not yet started, with this to do: eoi"


def test_a_proof_is_of_the_race_that_was_asked_for(race: Player) -> None:
    """Half of what has to stand ready is no race, nor is what has begun."""
    script = race.lab.start.script.strip().replace("\n", "; ")
    say(race, f"machine; {script}", "write trigger; take", "manual", "actor cpu: eoi", "explore")
    lacks = "no actor stood ready, not yet started, with this to do: close unmask"
    assert why(race, "mended") == lacks
    say(race, "actor anybody: close trigger; expect 0: close unmask", "step anybody", "explore")
    assert why(race, "mended") == f"{lacks}; 'goto 10' leads back to where a search begins"
    say(race, "undo", "explore")
    assert states(race)["mended"] == REACHED


@pytest.fixture(name="threads")
def _threads() -> Player:
    return playing(RACE.with_name("76-two-threads.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("claim", "lacks"),
    [
        ("always not (key.spare == 2 and eventfd.done.count != 0)", ""),
        ("never key.spare != 1 and eventfd.done.count > 0", ""),
        ("always reports == 0", "it found nothing, and no never"),
        ("never fd.trigger == none", "your claim leaves a state open in which the assign has returned"),
        ("never eventfd.done.count == 1", "a schedule in which all is well breaks what was claimed too"),
        ("never key.spare == 2", "what was found breaks what you claimed, and not what is asked for"),
    ],
)
def test_a_refuted_claim_is_the_one_that_was_asked_for(threads: Player, claim: str, lacks: str) -> None:
    """However it is spelt; and neither too little nor too much is claimed."""
    say(threads, claim, "explore bound=0")
    assert why(threads, "refuted").startswith(lacks) and bool(why(threads, "refuted")) == bool(lacks)
    assert "eventfd.done" not in why(threads, "refuted"), "the words of the claim are for the learner to find"


def test_a_machine_without_the_call_that_is_to_be_ready_is_told_so() -> None:
    """The words of another design are none of this one's."""
    player = playing(RACE.with_name("69-your-own-property.md").read_text(encoding="utf-8"))
    say(player, "machine api=resample; eventfd unmask; actor some: write unmask", "explore")
    assert why(player, "silence").startswith("the search began elsewhere")
    text = changed(
        ('kind = "reach"\nsay = "Ring twice."\nwhen = "eventfd.bell.count == 2"',
         'kind = "proof"\nsay = "x"\nverdict = "holds"\nready = ["eoifd bell key=1 level"]'),
    )  # fmt: skip
    player = playing(text)
    say(player, "machine api=resample; eventfd bell; actor some: write bell", "explore")
    assert why(player, "rung").endswith(
        "no actor stood ready, not yet started, with this to do: eoifd bell key=1 level"
    )


def test_who_has_started_an_actor_is_led_back_to_where_a_search_begins() -> None:
    """Where all stood ready, if they did; else where the state was as it is asked for."""
    player = playing(RACE.with_name("68-no-schedule-left.md").read_text(encoding="utf-8"))
    say(player, "finish undoer")
    assert why(player, "none").endswith("'goto 0' leads back to where a search begins")
    say(player, "explore")
    assert why(player, "none").startswith(
        "no actor stood ready, not yet started, with this to do: irqfd trigger"
    )
    assert "goal reached" in say(player, "goto 0", "explore")
    player = playing(RACE.with_name("76-two-threads.md").read_text(encoding="utf-8"))
    assert "leads back" not in why(player, "handshake"), "nobody has moved"
    say(player, "step assigner", "finish closer")
    assert "'goto 0' leads back" in why(player, "handshake"), "behind the step he cannot be given other calls"


def test_a_proof_that_needs_a_claim_says_so(threads: Player) -> None:
    """Nothing was claimed, and something is found all the same by whoever stops there."""
    say(threads, "actor assigner: read closed; irqfd spare gsi=11 level; write done", "explore")
    assert why(threads, "handshake") == "nothing was claimed: state with 'never' or 'always' what must hold"


def test_an_exploration_on_a_screen_of_its_own_is_latched_where_it_was(race: Player) -> None:
    """It is no unit, and stands in the way as `explore`."""
    searched = Searched(frozenset({"use-after-free"}), "exhausted", "op", 9)
    (row, *_) = race.explored_aside(searched)
    assert "".join(cell.text for cell in row.cells).startswith("goal reached: Let the guest's EOI race")
    say(race, "write trigger", "undo")
    assert states(race)["found"] == REACHED
    assert race.schedule()[-2:] == ("actor closer: close unmask", "explore")
    say(race, "undo")
    assert states(race)["found"] == OPEN
    say(race, "actor closer: close unmask")
    assert states(race)["found"] == OPEN, "another way has not what the first one had"
    race.explored_aside(searched)
    say(race, "machine")
    assert states(race)["found"] == REACHED
