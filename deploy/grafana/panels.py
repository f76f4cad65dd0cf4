"""What Grafana's dashboards are made of: panels, queries, variables, and where they stand."""

from __future__ import annotations

from typing import Any

Panel = dict[str, Any]

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
ALL = 'job="$job", instance=~"$instance"'
ONE = 'job="$job", stream="$stream"'
FPS = "suffix: frames/s"
PER_S = "suffix: /s"
_COLOURS = {
    "anger": "red",
    "disgust": "dark-green",
    "fear": "purple",
    "happiness": "yellow",
    "sadness": "blue",
    "surprise": "orange",
    "neutral": "#8e8e8e",
}
STATES = {
    "live": "green",
    "connecting": "blue",
    "backoff": "orange",
    "stalled": "orange",
    "auth_failed": "red",
    "failed": "red",
    "ended": "#8e8e8e",
    "stopped": "#8e8e8e",
}


def rate(metric: str, of: str, by: str = "") -> str:
    """The sum of a counter's rate."""
    return f"sum{f' by ({by})' if by else ''} (rate(emotion_worker_{metric}_total{{{of}}}[$__rate_interval]))"


def quantile(share: float, metric: str, of: str, by: str = "") -> str:
    """A quantile of a histogram."""
    labels = f"{by}, le" if by else "le"
    inner = f"sum by ({labels}) (rate(emotion_worker_{metric}_bucket{{{of}}}[$__rate_interval]))"
    return f"histogram_quantile({share}, {inner})"


def panel(kind: str, title: str, text: str, unit: str, *queries: tuple[str, str], width: int = 8) -> Panel:
    """A panel; each query is an expression with its legend. `width` is in columns of 24."""
    return {
        "type": kind,
        "title": title,
        "description": text,
        "datasource": _SOURCE,
        "gridPos": {"w": width, "h": 4 if kind == "stat" else 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {},
        "targets": [
            {"refId": chr(65 + number), "expr": expression, "legendFormat": legend, "datasource": _SOURCE}
            for number, (expression, legend) in enumerate(queries)
        ],
    }


def lines(title: str, text: str, unit: str, *queries: tuple[str, str], width: int = 8, stack: str = "none") -> Panel:
    """Curves over time. `stack`: none, normal, or percent."""
    made = panel("timeseries", title, text, unit, *queries, width=width)
    custom = {"fillOpacity": 0 if stack == "none" else 60, "lineWidth": 1, "showPoints": "never"}
    made["fieldConfig"]["defaults"]["custom"] = custom | {"stacking": {"mode": stack, "group": "A"}}
    made["options"] = {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return made


def emotions(of: str, width: int) -> Panel:
    """Shares of the emotions, each in its colour."""
    title, text = "Emotions", "Shares of fresh classifications. The model reads faces as they appear, not minds."
    made = lines(title, text, PER_S, (rate("emotions", of, "emotion"), "{{emotion}}"), width=width, stack="percent")
    made["fieldConfig"]["overrides"] = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for name, colour in _COLOURS.items()
    ]
    return made


def stat(title: str, text: str, unit: str, query: str, *steps: tuple[float, str], width: int = 4) -> Panel:
    """One number. `steps`: the values from which on it has that colour; it is green below the first."""
    made = panel("stat", title, text, unit, (query, title), width=width)
    thresholds: list[dict[str, Any]] = [{"color": "green", "value": None}]
    thresholds += [{"color": colour, "value": value} for value, colour in steps]
    made["fieldConfig"]["defaults"]["thresholds"] = {"mode": "absolute", "steps": thresholds}
    made["options"] = {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
    return made


def table(title: str, text: str, query: str, columns: dict[str, str], width: int = 8) -> Panel:
    """Labels of series as rows; `columns` are the labels shown, with their headings."""
    made = panel("table", title, text, "none", (query, ""), width=width)
    made["targets"][0] |= {"instant": True, "format": "table"}
    made["transformations"] = [
        {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}},
        {"id": "organize", "options": {"renameByName": columns, "indexByName": {n: i for i, n in enumerate(columns)}}},
    ]
    return made


def row(title: str) -> Panel:
    """A heading."""
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": 24, "h": 1}}


def laid_out(panels: list[Panel]) -> list[Panel]:
    """Place panels from left to right, line by line; those of a line have one height."""
    x = y = height = 0
    for number, each in enumerate(panels, 1):
        place = each["gridPos"]
        if x + place["w"] > 24:
            x, y = 0, y + height
        place |= {"x": x, "y": y}
        each["id"] = number
        x, height = x + place["w"], place["h"]
    return panels


def variable(name: str, label: str, query: str, several: bool = False) -> dict[str, Any]:
    """A variable that lists a label's values."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": several,
        "includeAll": several,
        "current": {"text": "All", "value": "$__all"} if several else {},
    }


def dashboard(uid: str, title: str, text: str, variables: list[dict[str, Any]], panels: list[Panel]) -> dict[str, Any]:
    """A whole dashboard."""
    source = {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "current": {}}
    link = {"type": "dashboards", "title": "Emotion worker", "tags": ["emotion-worker"], "keepTime": True}
    return {
        "uid": uid,
        "title": title,
        "description": text,
        "tags": ["emotion-worker"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [link | {"asDropdown": False, "includeVars": False, "targetBlank": False}],
        "templating": {"list": [source, *variables]},
        "panels": laid_out(panels),
    }
