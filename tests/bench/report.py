"""The results of the benchmarks as a table, and as the JSON object of the last line."""

import os
from typing import Any

from .submission import BATCH

Results = dict[str, Any]


def figures(results: Results) -> Results:
    """Return the figures that other tools rely on, followed by all results."""
    pages = results.get("pages", {})
    largest = {database: by_size[max(by_size, key=int)] for database, by_size in pages.items()}
    return {
        "first_page_ms": _by_size(pages, "first_page"),
        "deep_page_ms": _by_size(pages, "deep_page"),
        "search_ms": _by_database(largest, "search"),
        "poll_cpu_ms": _by_database(largest, "poll_cpu"),
        "submit_1000_s": _by_database(results.get("batch", {}), "seconds"),
        "click_to_post_ms": _by_database(results.get("clicks", {}), "median"),
        "callbacks_per_s": _by_database(results.get("callbacks", {}), "per_s"),
        "callbacks_lost": _by_database(results.get("callbacks", {}), "lost"),
        "slow_clients": results.get("slow_clients", {}),
        "usage_ms": {database: result["usage"]["usage_ms"] for database, result in largest.items()},
        "cores": os.cpu_count(),
        "all": results,
    }


def _by_database(results: Results, key: str) -> Results:
    return {database: result[key] for database, result in results.items()}


def _by_size(pages: Results, key: str) -> Results:
    return {database: {size: result[key] for size, result in by_size.items()} for database, by_size in pages.items()}


def print_table(results: Results) -> None:
    for database, by_size in results.get("pages", {}).items():
        for size, result in by_size.items():
            print(f"\n{database}, {int(size):,} generations{'':<12}ours          baseline    ratio")
            _print_pages(result)
    for database, result in results.get("callbacks", {}).items():
        print(
            f"\n{database}, {result['number']:,} callbacks: {result['per_s']}/s, median {result['median_ms']} ms, "
            f"p99 {result['p99_ms']} ms, lost {result['lost']}, counted twice {result['counted_twice']}"
        )
    for database, result in results.get("slow_clients", {}).items():
        print(f"\n{database}, p95 alone and beside {result['clients']} clients that neither send nor read")
        for name in result["ratio"]:
            _print_line(name, result["quiet_p95_ms"][name], result["slow_p95_ms"][name])
    for database, result in results.get("batch", {}).items():
        print(f"\n{database}, {BATCH} queued, accepted after 1 s each")
        _print_line("in one worker process", result["seconds"], result["one_task_each"], "s", "one task each")
    for database, result in results.get("clicks", {}).items():
        print(f"\n{database}, click to POST: median {result['median']} ms, p95 {result['p95']} ms")
    if result := results.get("media"):
        print("\nmedia")
        _print_line("saving 1 GB", result["saved_gb_s"], result["written_by_hand_s"], "s", "only written to the disk")
        _print_line("growth of memory", result["memory_grown_mb"], unit="MB")
        _print_line(f"ZIP of 200 videos, {result['zip_mb']} MB", result["zip_200_s"], unit="s")
        _print_line("growth of memory", result["zip_memory_grown_mb"], unit="MB")


def _print_pages(result: Results) -> None:
    _print_line("first page", result["first_page"])
    _print_line("deep page", result["deep_page"])
    _print_line("  its rows, by key", result["deep_rows_by_key"], result["deep_rows_by_offset"], name="OFFSET")
    for word, milliseconds in result["search"].items():
        _print_line(f"search for a {word} word, the page", milliseconds)
        by_index, by_like = result["search_rows_by_index"][word], result["search_rows_by_like"][word]
        _print_line("  its rows", by_index, by_like, name="LIKE")
    _print_line("idle poll, processor time", result["poll_cpu"], result["reload_cpu"], name="the page again")
    for name, milliseconds in result["usage"]["usage_ms"].items():
        _print_line(f"usage, {name}", milliseconds, result["usage"]["counting_rows_ms"][name], name="counting rows")
    if tabs := result.get("tabs"):
        _print_line(f"a page, p95, with {tabs['tabs']} tabs open", tabs["page_p95"])


def _print_line(label: str, value: float, baseline: float | None = None, unit: str = "ms", name: str = "") -> None:
    """Print one value, and the baseline of this name with its ratio to the value."""
    beside = f"{baseline:>11.1f} {unit:<3}{baseline / value if value else 0:>8.1f}" if baseline is not None else ""
    print(f"  {label:<44}{value:>9.1f} {unit:<3}{beside}   {name}".rstrip())
