"""A rollout as data: which releases get which share of the traffic, and the rules under which they keep it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seekloop.system.spec import Spec

__all__ = [
    "Arm",
    "Canary",
    "Errors",
    "Latency",
    "Quality",
    "RolloutSpec",
    "Rule",
    "Safety",
    "Shadow",
    "Split",
    "Step",
]


class Step(Spec):
    """A share of the traffic, and what the candidate has to live through before it gets more."""

    share: float = Field(gt=0, lt=1)
    """Of the callers, 0 to 1."""
    answers: int = Field(default=30, ge=1)
    """Answers that the candidate was asked for in this step, at least."""
    minutes: float = Field(default=5.0, ge=0)
    """Length of the step, at least."""


class Canary(Spec):
    """One candidate gets a growing share, then everything: after the last step the alias moves to it."""

    mode: Literal["canary"] = "canary"
    candidate: str
    """Id of the release, or its beginning."""
    steps: tuple[Step, ...] = Field(
        default=(
            Step(share=0.01),
            Step(share=0.05, answers=100, minutes=15),
            Step(share=0.25, answers=300, minutes=30),
        ),
        min_length=1,
    )
    """Shares on the way to 100 %, each larger than the one before."""

    @model_validator(mode="after")
    def _grows(self) -> Self:
        shares = [step.share for step in self.steps]
        if shares != sorted(set(shares)):
            raise ValueError("each step has a larger share than the one before")
        return self


class Arm(Spec):
    """One release of a split."""

    release: str
    """Id of the release, or its beginning."""
    share: float = Field(gt=0, lt=1)
    """Of the callers, 0 to 1."""


class Split(Spec):
    """Several releases beside the one in production, each with a fixed share, until somebody ends it."""

    mode: Literal["split"] = "split"
    arms: tuple[Arm, ...] = Field(min_length=1, max_length=8)
    """The others; the release in production has the rest."""

    @model_validator(mode="after")
    def _leaves_a_rest(self) -> Self:
        names = [arm.release for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("a release stands in two arms")
        if sum(arm.share for arm in self.arms) >= 1:
            raise ValueError("the shares leave nothing for the release in production")
        return self


class Shadow(Spec):
    """The candidate answers a share of the requests as well, after the client has its answer. Nobody sees it."""

    mode: Literal["shadow"] = "shadow"
    candidate: str
    """Id of the release, or its beginning."""
    share: float = Field(default=0.1, gt=0, le=1)
    """Of the callers, 0 to 1."""


class Errors(Spec):
    """Requests that the candidate failed: its engine died, was silent for too long, or refused what others take."""

    watch: Literal["errors"] = "errors"
    margin: float = Field(default=0.02, ge=0, lt=1)
    """How much larger than that of the release in production their share may be."""
    prove: bool = False
    """Whether the last step ends only once this is proven, not just not refuted."""


class Latency(Spec):
    """A quantile of the first-token time, or of the whole answer's."""

    watch: Literal["first_token", "total"]
    """Which time."""
    quantile: float = Field(default=0.95, gt=0, lt=1)
    """Which quantile."""
    ratio: float = Field(default=1.5, ge=1)
    """How many times that of the release in production it may be; rounded up to the next of 9 % steps."""
    prove: bool = False
    """Whether the last step ends only once this is proven, not just not refuted."""


class Quality(Spec):
    """What people say: of each caller, the first thing that was said about one of their answers."""

    watch: Literal["score", "resolved", "thumbs_down"]
    """`score`: its mean. `thumbs_down`: share of scores below 0.5. `resolved`: share of answers that were spoken of and
    got no score below 0.5 and no other label."""
    margin: float = Field(default=0.05, ge=0, lt=1)
    """How much worse than the release in production it may be."""
    prove: bool = True
    """Whether the last step ends only once this is proven, not just not refuted."""


class Safety(Spec):
    """Answers that the output filter stopped: zero regression."""

    watch: Literal["safety"] = "safety"
    margin: float = Field(default=0.0, ge=0, lt=1)
    """How much larger than that of the release in production their share may be."""
    prove: Literal[False] = False
    """That two shares are exactly equal cannot be proven; while the candidate's is the larger one, no step ends."""


Rule = Annotated[Errors | Latency | Quality | Safety, Field(discriminator="watch")]
Plan = Annotated[Canary | Split | Shadow, Field(discriminator="mode")]


class RolloutSpec(Spec):
    """A rollout: its plan and its rules. Its digest goes into the ledger before the first request goes anywhere."""

    plan: Plan
    """`mode: canary`, `split` or `shadow`, and who takes part."""
    rules: tuple[Rule, ...] = Field(default=(Errors(), Latency(watch="first_token"), Safety()), min_length=1)
    """Whoever breaks one is rolled back at once."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Chance that a candidate as good as the release in production is ever rolled back, over all rules, steps and
    looks together."""
    unit: Literal["caller", "request"] = "caller"
    """What is drawn: `caller` (the header `x-seekloop-session`, else the field `user`, else the key) sees one release
    throughout; `request` draws each one anew."""
    first_token_s: float = Field(default=30.0, gt=0)
    """A candidate that has said nothing for so long has failed, and the release in production answers."""

    @model_validator(mode="after")
    def _watches_once(self) -> Self:
        names = [rule.watch for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError("two rules watch the same")
        if isinstance(self.plan, Shadow) and any(isinstance(rule, Quality) for rule in self.rules):
            raise ValueError(
                "nobody sees a shadow, so nobody says how good it is: leave score, resolved and thumbs_down out"
            )
        return self

    @property
    def steps(self) -> tuple[tuple[tuple[str, float], ...], ...]:
        """Of each step, (release, share) of everyone but the release in production."""
        match self.plan:
            case Canary():
                return tuple(((self.plan.candidate, step.share),) for step in self.plan.steps)
            case Split():
                return (tuple((arm.release, arm.share) for arm in self.plan.arms),)
            case Shadow():
                return (((self.plan.candidate, self.plan.share),),)

    @property
    def candidates(self) -> tuple[str, ...]:
        """Every release that takes part beside the one in production."""
        return tuple(release for release, _ in self.steps[0])

    @property
    def tests(self) -> int:
        """How many tests share `alpha`: one a rule, candidate and step."""
        return len(self.rules) * len(self.candidates) * len(self.steps)
