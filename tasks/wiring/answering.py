"""How questions are answered, and how that is measured."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version

from tasks.answer_models import Answer, Calibration, CalibrationKey, Question
from tasks.answering.answer import AnswerOptions, answer_questions
from tasks.answering.confidence import read_shipped
from tasks.answering.once import KeptAnswers
from tasks.answering.trust import TrustedFirst
from tasks.errors import ConfigurationError, ProductError
from tasks.evaluation_ports import Plotter
from tasks.glossary import Glossary, GlossaryEntry, read_glossary
from tasks.integrations.database.answers import DatabaseAnswers
from tasks.integrations.database.calibrations import DatabaseCalibrations
from tasks.integrations.database.evaluations import DatabaseEvaluations
from tasks.integrations.database.gaps import DatabaseGaps
from tasks.models import Hit, Pipeline
from tasks.ports import EntailmentJudge, Generator, Listener, QuestionExpander, Reranker, Searcher
from tasks.retrieval.expand import AbbreviationExpander, list_entries
from tasks.retrieval.overview import SummarySearch
from tasks.retrieval.search import HybridSearcher
from tasks.retrieval.topic import find_topic
from tasks.wiring.models import Models


class Answering(Models):
    """Search, answers, evaluations."""

    @cached_property
    def searcher(self) -> Searcher:
        """Hybrid search over whatever collection serves at that moment, joined with the database."""
        return ServingSearcher(self)

    @cached_property
    def glossary(self) -> Glossary:
        """The company's words, read once a process; empty where EXPERTLOOP_GLOSSARY names no file.

        Raises:
            ConfigurationError: The file cannot be read or is no glossary.
        """
        file = self.settings.glossary
        if file is None:
            return Glossary()
        import yaml

        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigurationError(
                f"the glossary {file} cannot be read: {str(error).splitlines()[0]}",
                advice="set EXPERTLOOP_GLOSSARY to a YAML file with `terms:`, `address:` and `abbreviations:`",
            ) from error
        return read_glossary(content, name=file.name)

    @cached_property
    def expander(self) -> QuestionExpander | None:
        """Knows abbreviations; what people say of them holds for this home's tenant alone."""
        if not self.settings.expand_abbreviations:
            return None
        return AbbreviationExpander(self.definitions, stated={self.settings.tenant: self.glossary.abbreviations})

    def expand_questions(self, questions: Sequence[Question]) -> list[Question]:
        """The questions with their expansions, for doors that show them."""
        return [*questions] if self.expander is None else self.expander.expand(questions)

    def list_abbreviations(self, principals: frozenset[str] | None = None) -> list[GlossaryEntry]:
        """What abbreviations stand for.

        Args:
            principals: Only as far as documents say it that one of them may read; None: all of the tenant.
        """
        meanings = self.definitions.list_meanings(self.settings.tenant, principals)
        return list_entries(meanings, self.glossary.abbreviations)

    @cached_property
    def reranker(self) -> Reranker | None:
        """The configured cross-encoder; none by default."""
        if self.settings.reranker is None:
            return None
        from tasks.integrations.cross_encoder import CrossEncoderReranker

        return CrossEncoderReranker(self.settings.reranker)

    @cached_property
    def judge(self) -> EntailmentJudge | None:
        """The configured entailment model; none by default."""
        settings, name = self.settings, self.settings.entailment
        if name is None:
            return None
        from tasks.integrations.entailment import CrossEncoderEntailment, EndpointEntailment
        from tasks.integrations.openai_endpoint import OpenAIEndpoint

        if not name.startswith(("http://", "https://")):
            return CrossEncoderEntailment(name)
        timeout = settings.generator_timeout_seconds
        return EndpointEntailment(OpenAIEndpoint(name, key=settings.entailment_key, timeout_seconds=timeout))

    @cached_property
    def answers(self) -> DatabaseAnswers:
        """Questions and answers by id."""
        return DatabaseAnswers(self.database)

    @cached_property
    def kept_answers(self) -> KeptAnswers:
        """Answers that are given again to who asks with the same key."""
        return KeptAnswers(
            self.answers,
            reader=self.passages,
            hold=self.leases.hold,
            patience_seconds=self.settings.queue_timeout_seconds,
        )

    @cached_property
    def gaps(self) -> DatabaseGaps:
        """What is asked that no document answers."""
        return DatabaseGaps(self.database)

    @cached_property
    def calibrations(self) -> DatabaseCalibrations:
        """What signals are worth, by collection and generator."""
        return DatabaseCalibrations(self.database)

    def calibration_key(self, generator: Generator | None) -> CalibrationKey:
        """What a calibration of the serving collection and a generator is kept under."""
        pipeline = self.serving_pipeline()
        return CalibrationKey(
            collection=pipeline.collection.name if pipeline else "none",
            generator=generator.identity if generator else "none",
        )

    def calibration(self, generator: Generator | None) -> Calibration:
        """The one fitted on this collection with this generator, else the shipped one, which says so by its name."""
        return self.calibrations.read_calibration(self.calibration_key(generator)) or read_shipped()

    def answer_questions(
        self,
        questions: Sequence[Question],
        *,
        searcher: Searcher | None = None,
        generate: bool = True,
        max_error: float | None = None,
        adapter: str | None = None,
        listeners: Sequence[Listener | None] = (),
    ) -> list[Answer]:
        """One answer a question, in their order; those without an answer are counted as gaps.

        Args:
            searcher: Instead of the search over the serving collection.
            generate: False: quoted from the documents.
            max_error: Instead of the setting; 1 holds no answer back.
            adapter: Answers instead of what serves, in this process; its id or the beginning of it.
            listeners: One a question, told its answer while it is being written.
        """
        settings, pipeline = self.settings, self.serving_pipeline()
        # Asked once: all of these are answered by the model that serves now, and name it.
        generator = self.generator_for(adapter) if adapter else self.generator
        answers = answer_questions(
            questions,
            searcher=TrustedFirst(searcher or self.searcher, list_believed=self.passages.list_believed_sources),
            reader=self.passages,
            expander=self.expander,
            generator=generator if generate else None,
            embedder=self.asking_embedder(pipeline.embedder_spec) if pipeline else None,
            judge=self.judge,
            calibration=self.calibration(generator),
            options=AnswerOptions(
                passages=settings.answer_passages,
                max_tokens=settings.answer_tokens,
                max_error=max_error if max_error is not None else settings.max_error,
                hold_suspicious=settings.hold_suspicious,
                outdated=settings.answer_outdated,
            ),
            listeners=listeners,
        )
        versions = {"expertloop": version("expertloop"), "collection": pipeline.collection.name if pipeline else "none"}
        answers = [
            answer.model_copy(update={"id": question.id, "versions": answer.versions | versions})
            for question, answer in zip(questions, answers, strict=True)
        ]
        if settings.keep_gaps:
            self._record_gaps(questions, answers)
        return answers

    def _record_gaps(self, questions: Sequence[Question], answers: Sequence[Answer]) -> None:
        by_tenant: dict[str, list[Answer]] = {}
        for question, answer in zip(questions, answers, strict=True):
            by_tenant.setdefault(question.tenant, []).append(answer)
        for tenant, given in by_tenant.items():
            self.gaps.record_answers(tenant, given)

    @cached_property
    def evaluations(self) -> DatabaseEvaluations:
        """Evaluations and their results."""
        return DatabaseEvaluations(self.database)

    @cached_property
    def plotter(self) -> Plotter:
        """Draws a report's pictures."""
        from tasks.integrations.matplotlib import MatplotlibPlotter

        return MatplotlibPlotter()


class ServingSearcher:
    """The `Searcher` port over the collection that serves when the search begins: a flip needs no restart."""

    def __init__(self, app: Answering) -> None:
        self._app = app

    def search(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        """The hits of each question; none before the first ingest.

        A search that a flip overtook found chunks that nobody may see any more: it is done again.
        """
        while True:
            pipeline = self._app.serving_pipeline()
            if pipeline is None:
                return [[] for _ in questions]
            try:
                found = self._search(pipeline, questions, limit)
            except ProductError:
                if self._app.serving_pipeline() == pipeline:
                    raise
            else:
                if all(len(hits) == limit for hits in found) or self._app.serving_pipeline() == pipeline:
                    return found

    def _summaries(self, pipeline: Pipeline, questions: Sequence[Question]) -> SummarySearch | None:
        """Where a question asks for them and there are any; an ingest may make the first ones at any moment."""
        app = self._app
        if app.settings.summaries == "none" or not any(find_topic(question.text) for question in questions):
            return None
        if not app.summaries.has_summaries(pipeline.fingerprint):
            return None
        return SummarySearch(
            pipeline.collection.summaries.name, index=app.index, summaries=app.summaries, reader=app.passages
        )

    def _search(self, pipeline: Pipeline, questions: Sequence[Question], limit: int) -> list[list[Hit]]:
        searcher = HybridSearcher(
            pipeline.collection.name,
            embedder=self._app.asking_embedder(pipeline.embedder_spec),
            index=self._app.index,
            reader=self._app.passages,
            alpha=self._app.settings.search_alpha,
            reranker=self._app.reranker,
            summaries=self._summaries(pipeline, questions),
        )
        if any(question.expansions is None for question in questions):
            questions = self._app.expand_questions(questions)
        return searcher.search(questions, limit=limit)
