"""The file cannot be read: it is no YAML, no UTF-8 text, or longer than anything that is checked.

Nothing in the file is checked. Of a stream of several documents, none is.

Correct the place that the message names. A file that holds something else altogether is left out by naming the
directories to check, or by `# podsysctl:ignore-file PSC901` on one of its lines.
"""

from __future__ import annotations

from podsysctl.policy.lint.finding import Rule, Severity

RULE = Rule("PSC901", "file-unreadable", Severity.ERROR, "The file cannot be read", lambda _: ())
"""Reading finds it, before the rules run."""
