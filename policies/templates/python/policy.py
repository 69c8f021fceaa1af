"""{{name}}: what a bank sends is discarded when it has expired; with everything else happens what its recipient prefers."""

import json as reader

import wit_world.exports
from componentize_py_types import Err
from wit_world.exports.expiry import Verdict, Verdict_Discard, Verdict_Store
from wit_world.imports import host, types

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "domain": {
            "description": "What comes from this domain is not kept when it has expired",
            "type": "string",
            "maxLength": 255,
            "default": "bank.example",
        },
    },
}

domain = "bank.example"


class Settings(wit_world.exports.Settings):
    def schema(self) -> str:
        return reader.dumps(SCHEMA)

    def configure(self, json: str) -> None:
        global domain
        settings = reader.loads(json)
        # What Err carries is shown to the operator.
        if not isinstance(settings, dict):
            raise Err("the settings must be a JSON object")
        # The domains of senders come in lower case.
        domain = settings.get("domain", "bank.example").lower()


class Expiry(wit_world.exports.Expiry):
    def judge(self, context: types.Context, message: types.Message) -> Verdict:
        if message.sender is not None and message.sender.partition("@")[2] == domain:
            host.log(host.Level.DEBUG, f"from {domain}: it is not kept")
            return Verdict_Discard()
        # The standard behaviour.
        return Verdict_Store() if context.preferences.expired == types.Disposal.STORE else Verdict_Discard()
