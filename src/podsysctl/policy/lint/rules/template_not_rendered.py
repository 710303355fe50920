"""The file holds a chart's templates, which become YAML only when they are rendered.

Nothing in the file is checked.

Check what the chart makes: `helm template CHART | podsysctl check -`.
"""

from __future__ import annotations

from podsysctl.policy.lint.finding import Rule, Severity

RULE = Rule("PSC902", "template-not-rendered", Severity.NOTE, "The file is a template", lambda _: ())
"""Reading finds it, before the rules run."""
