#!/usr/bin/env python3
"""Writes the examples of @octokit/webhooks-examples (its index.json) as lines that webhooks.cpp reads."""

import json
import sys


def text(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"))  # escapes tabs and line ends


with open(sys.argv[1], encoding="utf-8") as file:
    for event in json.load(file):
        for payload in event["examples"]:
            print("payload", event["name"], text(payload), sep="\t")
            for kind, value in payload.items():
                if isinstance(value, dict) and "id" in value:
                    print("object", kind, text(value["id"]), text(value), sep="\t")
