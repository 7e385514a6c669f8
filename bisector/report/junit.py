"""A verdict as JUnit XML: a test case for the baseline and one for each addition.

Every CI system shows this format; the layout is that of the Jenkins xUnit schema.
"""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from bisector.model.experiment import Addition
from bisector.model.session import Ruling
from bisector.report.accused import Answer, Standing, answers
from bisector.report.markdown import markdown
from bisector.report.summary import Summary
from bisector.report.wording import clean

_BASELINE_AT_FAULT = {
    Ruling.BASELINE_BROKEN: "failure",
    Ruling.BASELINE_FLAKY: "failure",
    None: "skipped",
}


def junit(summary: Summary, additions: Iterable[Addition]) -> str:
    """The XML document of one search."""
    cases = [_baseline(summary), *(_case(summary, a) for a in answers(summary, additions))]
    suite = ET.Element(
        "testsuite",
        name=f"bisect.{summary.name}",
        tests=str(len(cases)),
        failures=str(sum(c.find("failure") is not None for c in cases)),
        errors="0",
        skipped=str(sum(c.find("skipped") is not None for c in cases)),
        time=f"{summary.cost.wall_seconds:.3f}",
    )
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = _printable(markdown(summary))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _baseline(summary: Summary) -> ET.Element:
    case = ET.Element("testcase", classname=f"{summary.name}.baseline", name="baseline trains")
    if said := _BASELINE_AT_FAULT.get(summary.ruling):
        ET.SubElement(case, said, message=clean(summary.sentence))
    return case


def _case(summary: Summary, answer: Answer) -> ET.Element:
    addition = answer.addition
    case = ET.Element(
        "testcase",
        classname=f"{summary.name}.{addition.kind.value}",
        name=clean(addition.name),
    )
    if answer.standing is Standing.GUILTY:
        failure = ET.SubElement(
            case, "failure", type=str(summary.ruling), message=clean(answer.because)
        )
        failure.text = _printable("\n".join(summary.reasons))
    elif answer.standing is Standing.OPEN:
        ET.SubElement(case, "skipped", message=clean(answer.because))
    return case


def _printable(text: str) -> str:
    """`text` without the control characters that XML cannot hold."""
    return "\n".join(clean(line) for line in text.splitlines())
