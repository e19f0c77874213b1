"""The benchmark of tools/bench/run and the document of tools/bench/report; Python's standard library only.

| module | what is in it |
|---|---|
| `place` | where things are, what machine this is, the running log |
| `server` | a tagd of its own with a private Postgres in a scratch folder |
| `questions` | what is asked, with its textbook SQL |
| `textbook` | plain tables, and forms of SQL over them |
| `load` | wrk, pgbench and the small client: a rate from each |
| `client` | HTTP over asyncio's streams, for `tools/bench/overload` and `tools/soak` |
| `limits` | the statement of a request, and a server that answers the same bytes |
| `contest` | rounds in which everyone gets the same question |
| `fleets` | one fleet from its import to its last figure |
| `reports` | the views of the schema report beside textbook SQL |
| `others` | writes, and other products |
| `against` | one program against another, by turns |
| `document`, `plots` | docs/PERFORMANCE.md and its pictures from the raw figures |
"""
