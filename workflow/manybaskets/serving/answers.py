"""The strict shape of model servers' answers: chat, completions, log-probabilities, /models.

Servers are foreign: an answer is used only after it was checked here. A value of another type
than the API documents is never converted; the row has the state failed, with the reason.
"""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from manybaskets.data.tables.values import encodable, kind_of

MAX_SHOWN = 60  # characters of a wrong value in a reason

Text = Annotated[str, AfterValidator(encodable)]
Count = Annotated[int, Field(ge=0)]
LogProb = Annotated[float, Field(allow_inf_nan=False)]


class AnswerError(ValueError):
    """Raised for an answer that is not of the documented shape; the message is a reason."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Top(_Strict):
    token: Text
    logprob: LogProb


class _Scored(_Strict):
    token: Text | None = None
    top_logprobs: list[_Top] | None = None


class _ChatLogProbs(_Strict):
    content: list[_Scored] | None = None


class _TextLogProbs(_Strict):
    tokens: list[Text] | None = None
    top_logprobs: list[dict[str, LogProb] | None] | None = None


class _OfToken(_Strict):
    logprob: LogProb


class _Message(_Strict):
    content: Text | None = None
    reasoning_content: Text | None = None
    reasoning: Text | None = None


class _ChatChoice(_Strict):
    message: _Message
    finish_reason: Text | None = None
    logprobs: _ChatLogProbs | None = None


class _TextChoice(_Strict):
    text: Text | None
    finish_reason: Text | None = None
    logprobs: _TextLogProbs | None = None
    prompt_logprobs: list[dict[str, _OfToken] | None] | None = None


class _Usage(_Strict):
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None


class _Chat(_Strict):
    choices: Annotated[list[_ChatChoice], Field(min_length=1)]
    usage: _Usage | None = None


class _Completion(_Strict):
    choices: Annotated[list[_TextChoice], Field(min_length=1)]
    usage: _Usage | None = None


class _Tokens(_Strict):
    tokens: list[Count]


class _Model(_Strict):
    id: Text
    parent: Text | None = None


class _Models(_Strict):
    data: list[_Model]


_SHAPES: dict[str, type[_Strict]] = {
    "/chat/completions": _Chat,
    "/completions": _Completion,
    "/tokenize": _Tokens,
    "/models": _Models,
}


def answer_of(path: str, content: bytes) -> dict[str, Any]:
    """Returns the documented fields of the answer to a request to `path`, without "/v1".

    Fields that the server did not return are absent; texts are encodable in UTF-8. Raises
    AnswerError for content that is not strict JSON in UTF-8, or of another shape.
    """
    value = parsed(content)
    if not isinstance(value, dict):
        raise AnswerError(f"The answer is {kind_of(value)}, not an object")
    if value.get("error"):
        raise AnswerError(f"The answer is an error: {error_message(value)}")
    try:
        return _SHAPES[path].model_validate(value).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise AnswerError(_reason(error)) from None


def parsed(content: bytes) -> Any:
    """Returns the value of strict JSON in UTF-8; raises AnswerError."""
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise AnswerError(f"The answer is not UTF-8 (byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        beginning = error.doc[:MAX_SHOWN]
        text = f"The answer is not JSON ({error.msg} at character {error.pos + 1}): '{beginning}'"
        raise AnswerError(text) from None
    except RecursionError:
        raise AnswerError("The answer is nested too deeply") from None
    except ValueError as error:
        text = "contains an integer of thousands of digits"
        raise AnswerError(f"The answer {error if 'NaN' in str(error) else text}") from None


def error_message(value: Any) -> str:
    """Returns the message in an error of the OpenAI API, or the JSON of another value."""
    error = value.get("error", value) if isinstance(value, dict) else value
    message = error.get("message", error) if isinstance(error, dict) else error
    return message if isinstance(message, str) else json.dumps(message)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"contains NaN or infinity ({name}), which JSON does not have")


def _reason(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"The answer has no {place}"
    if problem["type"] == "too_short":
        return f"The answer has an empty list {place}"
    return f"The answer's {place} has another type than expected: {_shown(problem['input'])}"


def _shown(value: Any) -> str:
    """Returns the kind of a value, and a short beginning of a text or a number."""
    if isinstance(value, str):
        return f"the text '{value[:MAX_SHOWN]}'"
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**15:
        return f"the number {value}"
    return kind_of(value)
