# /// script
# dependencies = ["duckdb>=1"]
# ///
"""DuckDB, for questions about recorded calls: `duckdb_sql.py FILE REPETITIONS` prints answers and seconds as JSON."""

import json
import sys
import time

import duckdb

CALLS = """
    select call.function.name as tool, call.function.arguments as arguments
    from (
        select unnest(message.tool_calls) as call
        from (
            select unnest(messages) as message
            from read_json(?, format = 'newline_delimited', maximum_object_size = 67108864, columns = {
                messages: 'STRUCT(role VARCHAR, tool_calls STRUCT(id VARCHAR, "function" STRUCT(name VARCHAR, arguments VARCHAR))[])[]'
            })
        )
    )
"""
QUESTIONS = {
    "calls of each tool": f"select tool, count(*) from ({CALLS}) group by tool order by tool",
    "calls that three rules allow": f"""
        select count(*) from ({CALLS}) where
            ((tool = 'customer_db' and arguments ->> '$.action' = 'read') or starts_with(tool, 'http_') or starts_with(tool, 'tool_'))
            and not contains(arguments ->> '$.note', 'secret')
    """,
}


def main(file: str, repetitions: int) -> None:
    """Answers each question so often; each time the file is read anew."""
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    found = {}
    for name, question in QUESTIONS.items():
        seconds = []
        for _ in range(repetitions):
            began = time.process_time()
            answer = connection.execute(question, [file]).fetchall()
            seconds.append(time.process_time() - began)
        found[name] = {"answer": answer, "seconds": seconds}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
