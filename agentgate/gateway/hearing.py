"""One request before the books: whether it may be sent, what is decided about each of its answers, and what it gives back at its end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

from msgspec.structs import replace

from agentgate.core.events import ApprovalAnswered, CallDecided, Code, Event, Json, Mode
from agentgate.core.redaction.redactor import OURS
from agentgate.files.gateway_records import Denial, Record, new_id
from agentgate.files.importers.chat import text_of
from agentgate.gateway.books import Books, Question, Store
from agentgate.gateway.bounding import estimate
from agentgate.gateway.envelope import BadRequest
from agentgate.gateway.errors import refusal
from agentgate.gateway.judging import Bench, Sitting, Verdict
from agentgate.gateway.listing import listed_in
from agentgate.gateway.metrics import Metrics
from agentgate.gateway.results import Result, is_plain, passed, replaced
from agentgate.gateway.shapes import Answer, Asked
from agentgate.gateway.tab import Tab

_ON_ITS_WAY = timedelta(hours=1)
"""How long a request counts as on its way, should nobody be left to say that it has come back."""
_CODES = frozenset(code.value for code in Code)


class Hearing:
    """What a request and its answers have to do with the policy, the sessions and the records."""

    def __init__(self, bench: Bench, store: Store, metrics: Metrics, session: str | None, api: str) -> None:
        """Begins.

        Args:
            bench: what to judge by, for all of it.
            store: where the books are.
            metrics: counts decisions.
            session: as the client named it.
            api: what the API is called in records.
        """
        self.bench = bench
        self._store = store
        self._metrics = metrics
        self._session = session
        self._api = api
        self._tab = Tab(bench.policy) if bench.policy.windows else None
        self._sitting: Sitting | None = None
        self._request = ""
        self._on_its_way = False
        self._results: list[Result] = []
        self._would: Denial | None = None
        """Why the request would not be sent on if that were enforced."""
        self.room: int | None = None
        """How many tokens the answer to the request may have, where limits of cost bound it."""

    async def permit(self, asked: Asked) -> Denial | None:
        """Whether a request may be sent on; what it may take is set aside then.

        Raises:
            BadRequest: its conversation makes no sense.
            RecordError: nobody knows, because the store failed.
        """
        bench, session = self.bench, self._session
        in_turn = session is not None and bench.limits_steps
        self._request = new_id("req", bench.clock()) if in_turn or self._tab is not None else ""
        if not (asked.hosted or bench.limits_requests):
            return None
        if session is None and not bench.counts_cost:
            return self._enforced(self._own_sitting(asked).permit())
        own = self._own_sitting(asked) if session is None else None
        estimated = estimate(bench, asked)

        def job(books: Books) -> Denial | None:
            sitting = own or self._session_sitting(books, asked)
            with self._counting(books):
                denied = self._enforced(sitting.permit(estimated, books.sent(session or "") if in_turn else 0))
            self.room = sitting.room
            if denied is None and in_turn:
                books.send(session or "", self._request, bench.clock() + _ON_ITS_WAY)
            return denied

        self._on_its_way = in_turn  # also where the client goes away before the job is done
        denied = await self._store.commit(job)
        self._on_its_way = denied is None and in_turn
        return denied

    def would_refuse(self, reason: str) -> None:
        """Notes that an answer to the request could not be judged, where it is sent on all the same."""
        self._would = self._would or Denial(code="invalid_request", reason=reason, enforced=False)

    async def refuse(self, asked: Asked, denied: Denial) -> str:
        """Records that a request is not sent on; gives the id of the event.

        Raises:
            RecordError: it could not be recorded.
        """
        at = self.bench.clock()
        run = self._session or new_id("run", at)
        record = self._record(asked, new_id("evt", at), at, run, released=False, error=refusal(denied).error, denied=denied)
        await self._store.commit(lambda books: books.keep(record, None))
        self._metrics.denied(denied)
        return record.id

    def _denied(self, answer: Answer, verdict: Verdict) -> Denial | None:
        """Why the request would not have been sent on, or the answer is withheld, or would be, where that is about no call."""
        if verdict.decided or (verdict.failure is None and answer.unusable is None):
            return self._would
        if verdict.failure is None:
            return Denial(code=Code.MALFORMED_CALL.value, reason=answer.unusable or "", enforced=False)
        decided, reason = verdict.failure.error["policy"], verdict.failure.error["message"]
        return Denial(code=decided, reason=reason) if decided in _CODES else Denial(code=Code.LIMIT.value, rule=decided, reason=reason)

    def _told(self, text: str) -> str:
        """What a client called something, without what no record may hold."""
        redactor = self.bench.redactor
        return text if redactor is None else redactor.record(text, OURS)

    def _enforced(self, denied: Denial | None) -> Denial | None:
        if denied is not None:
            denied = replace(denied, reason=self._told(denied.reason), tool=None if denied.tool is None else self._told(denied.tool))
        if denied is not None and not denied.enforced:
            self._would = denied
            return None
        return denied

    async def admit(self, asked: Asked, contents: Sequence[Json]) -> list[Json]:
        """What goes to the model in place of the contents of results; the same objects where that is all of them.

        Raises:
            BadRequest: the conversation makes no sense, or holds something that cannot be judged.
            RecordError: nobody knows what came before, because the store failed.
        """
        texts = [text_of(content) for content in contents]
        if not self.bench.policy.results.rules:
            made = self._results = [Result(passed(text, self.bench.redactor)) for text in texts]
        else:
            if self._session is None:
                sitting = self._own_sitting(asked)
            else:
                sitting = await self._store.commit(lambda books: self._session_sitting(books, asked))
            made = self._results = sitting.results
            pictured = any(one.covered and not is_plain(content) for one, content in zip(made, contents, strict=True))
            if pictured or asked.foreign:
                told = f"{asked.foreign or 'a result'} holds more than text, which the rules about results cannot judge"
                if self.bench.mode is not Mode.OBSERVE:
                    raise BadRequest(told)
                self.would_refuse(told)
        return [replaced(content, text, one) for content, text, one in zip(contents, texts, made, strict=True)]

    async def verdict(self, asked: Asked, answer: Answer) -> tuple[Verdict | None, str]:
        """Judges and records an answer; None where there is nothing in it to judge, and nobody who counts it.

        Raises:
            BadRequest: the conversation makes no sense.
            RecordError: it could not be recorded.
        """
        idle = self._session is None and not answer.calls and answer.unusable is None and not self.bench.counts_cost
        if idle and self._would is None and not any(result.kept_back for result in self._results):
            self._metrics.answers["released"] += 1
            return None, ""
        bench = self.bench
        own = self._own_sitting(asked) if self._session is None else None
        at = bench.clock()
        event = new_id("evt", at)

        def job(books: Books) -> tuple[Verdict, Denial | None]:
            mine = own or self._session_sitting(books, asked)
            if self._tab is None:
                verdict = mine.judge(answer, _Questions(books, bench, self._session))
            else:
                with self._tab.open(books, self._request):
                    verdict = mine.judge(answer, _Questions(books, bench, self._session))
            if self._on_its_way:
                books.came_back(self._request)
            denied = self._denied(answer, verdict)
            record = self._record(
                asked,
                event,
                at,
                verdict.past.run,
                released=verdict.released,
                error=None if verdict.failure is None else verdict.failure.error,
                denied=denied,
                answer_id=answer.id,
                events=verdict.events,
                listed=listed_in(bench.policy, verdict.decided),
            )
            books.keep(record, verdict.past)
            return verdict, denied

        verdict, denied = await self._store.commit(job)
        self._on_its_way = False
        self._metrics.decided(verdict.decided)
        self._metrics.answers["released" if verdict.released else "withheld"] += 1
        if denied is not None:
            self._metrics.denied(denied)
        return verdict, event

    def _record(
        self,
        asked: Asked,
        id: str,
        at: datetime,
        run: str,
        *,
        released: bool,
        error: dict[str, Json] | None,
        denied: Denial | None,
        answer_id: str | None = None,
        events: tuple[Event, ...] = (),
        listed: tuple[str | None, ...] = (),
    ) -> Record:
        bench = self.bench
        return Record(
            id=id,
            at=at,
            run=run,
            session=self._session,
            api=self._api,
            model=self._told(asked.model),
            mode=bench.mode,
            role=bench.role,
            policy=bench.digest,
            answer_id=answer_id,
            released=released,
            error=error,
            events=events,
            listed=listed,
            denied=denied,
        )

    def failed(self, *, free: bool) -> None:
        """There will be no answer that could be judged. Nobody waits until that is noted.

        Args:
            free: whether the upstream certainly did nothing that costs; else what was set aside stays counted.
        """
        request, on_its_way, account = self._request, self._on_its_way, self.bench.policy.policy.name
        self._on_its_way = False
        free = free and self.bench.counts_cost

        def job(books: Books) -> None:
            if on_its_way:
                books.came_back(request)
            if free:
                books.give_back(account, request, "")

        if request and (on_its_way or free):
            self._store.post(job)

    def _own_sitting(self, asked: Asked) -> Sitting:
        if self._sitting is None:
            at = self.bench.clock()
            self._sitting = Sitting(self.bench, asked, None, new_id("run", at), self._tab, at=at)
        return self._sitting

    def _session_sitting(self, books: Books, asked: Asked) -> Sitting:
        assert self._session is not None
        return Sitting(self.bench, asked, books.past(self._session), self._session, self._tab, self._results)

    def _counting(self, books: Books) -> AbstractContextManager[None]:
        return nullcontext() if self._tab is None else self._tab.open(books, self._request)


class _Questions:
    """The questions of one answer, in the books."""

    __slots__ = ("_bench", "_books", "_session")

    def __init__(self, books: Books, bench: Bench, session: str | None) -> None:
        self._books = books
        self._bench = bench
        self._session = session

    def answered(self, call: CallDecided, besides: Collection[str]) -> tuple[str, ApprovalAnswered] | None:
        """See `Approvals.answered`."""
        found = self._books.answered(self._question(call), besides)
        if found is None:
            return None
        answer = "approve" if found.state == "approved" else "reject"
        at = self._bench.clock()
        return found.id, ApprovalAnswered(
            at=at, call_id=call.call_id, args_hash=call.args_hash, answer=answer, by=found.by or "", note=found.note
        )

    def use(self, ids: Collection[str]) -> None:
        """See `Approvals.use`."""
        for id in ids:
            self._books.use(id)

    def ask(self, call: CallDecided) -> str:
        """See `Approvals.ask`."""
        return self._books.ask(self._question(call))

    def _question(self, call: CallDecided) -> Question:
        return Question(
            id="",
            at=call.at,
            session=self._session,
            tool=str(call.tool),
            arguments=str(call.arguments),
            args_hash=call.args_hash,
            policy=self._bench.digest.sha256,
            role=self._bench.role,
            rule=call.rule,
            reason=call.reason,
        )
