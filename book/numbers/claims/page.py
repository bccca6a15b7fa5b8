"""The page of claims: how many checks came out how, the claims in short, and each of them with its checks."""

from __future__ import annotations

import re
from collections import Counter

from book.numbers import markers
from book.numbers.claims.judging import KINDS, SCALES, VERDICTS, judge, kind, load_claims, paper_text, scale, tallied
from book.numbers.status import chapter_link
from book.studies import results

HEADER = ["what is compared", "the paper", "ours", "evidence", "95 % interval", "verdict"]
NEEDS = "They need ImageNet at full width. The weights of DRN-A-50 were never released ([V38](#ledger-v38))."


def summary() -> str:
    """How many checks came out how: arithmetic, the paper's claims and our own controls apart."""
    counts = Counter((tallied(check), kind(check)) for claim in load_claims() for check in claim["checks"])
    rows = []
    for name in VERDICTS:
        own = [counts[name, one] for one in KINDS]
        if any(own):
            rows.append([name, *(str(count or "–") for count in own)])
    return results.markdown_table(["verdict", *KINDS], rows)


def overview() -> str:
    """One line for each claim: our answer, and how strong the evidence is; those without an answer share the last."""
    rows, without = [], []
    for claim in load_claims():
        link = f"[{claim['id']}](#{claim['id'].lower()})"
        if "answer" not in claim:
            without.append(link)
            continue
        scales = {scale(check) for check in claim["checks"]}
        rows.append([link, claim["short"], claim["answer"], "; ".join(name for name in SCALES if name in scales)])
    about = f"{len(without)} claims about networks of up to 152 layers"
    rows.append([", ".join(without), about, "we could not test them", SCALES[-1]])
    return results.markdown_table(["claim", "in short", "our answer", "scale of evidence"], rows)


def verdicts(claim: dict) -> str:
    """How many checks of a claim came out how, in words."""
    counts = Counter(tallied(check) for check in claim["checks"])
    return ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])


def details() -> str:
    """Every claim that was tested: what we found, what was claimed, and its checks."""
    return "\n\n".join(_detail(claim) for claim in load_claims() if "finding" in claim)


def untested() -> str:
    """The claims of which no check can be tested here, with the paper's numbers."""
    claims = [claim for claim in load_claims() if "finding" not in claim]
    anchors = "\n".join(f"({claim['id'].lower()})=" for claim in claims)
    rows = []
    for claim in claims:
        numbers = "; ".join(f"{check['what']}: {paper_text(check)}" for check in claim["checks"])
        said = f"{claim['claim'].strip()} {sentence(claim.get('note', ''))}"
        rows.append([claim["id"], said.strip(), f"{claim['where']} ({claim['sure']})", numbers])
    table = results.markdown_table(["claim", "what the paper says", "where", "its numbers"], rows)
    return f"{anchors}\n### Claims that we could not test\n\n{NEEDS}\n\n{table}"


def sentence(text: str) -> str:
    """A text of the file of claims with its numbers filled in, and with links to the ledger."""
    text = re.sub(r"\{([^{}]+)\}", lambda found: markers.number(found[1]).replace("%", "\u00a0%"), text.strip())
    return re.sub(r"\b([PVX]\d+)\b", lambda row: f"[{row[1]}](#ledger-{row[1].lower()})", text)


def _detail(claim: dict) -> str:
    rows, left_out = [], []
    for check in claim["checks"]:
        ours, n, interval, judged = judge(check)
        if "not_testable" in check:
            left_out.append(f"{sentence(check['what'])}, {paper_text(check)} ({ours})")
        else:
            evidence = f"reduced, {n.replace(',', ' and')}" if scale(check).startswith("reduced") else n
            rows.append([sentence(check["what"]), paper_text(check), ours, evidence, interval, judged])
    where = f"*Claimed in* {claim['where']} ({claim['sure']}): {claim['claim'].strip()}"
    more = [where, sentence(claim.get("note", "")), f"See {chapter_link(claim['chapter'])}."]
    parts = [
        f"({claim['id'].lower()})=\n### {claim['id']}: {claim['short']}",
        sentence(claim["finding"]),
        " ".join(filter(None, more)),
        results.markdown_table(HEADER, rows),
    ]
    if left_out:
        parts.append(f"*Not testable here:* {'; '.join(left_out)}.")
    return "\n\n".join(parts)


TABLES = {
    "claims": overview,
    "claims-details": details,
    "claims-summary": summary,
    "claims-untested": untested,
}
