//! The official client for Python, in both eras of the protocol. It is looked
//! for in the interpreter that RUNWATCH_MCP_PYTHON names.

// A test that was skipped must be seen to have been.
#![allow(clippy::print_stderr)]

use std::process::Command;

use serde_json::{Value, json};

use super::past;
use crate::support::{BINARY, alerts as objects, shared_cache};

/// Two tools and an error, asked in one way and in the other.
const CLIENT: &str = r#"
import asyncio, json, sys
from mcp import Client, ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

server = StdioServerParameters(command=sys.argv[1], args=sys.argv[2:])


def fields(result):
    return result.model_dump(by_alias=True)["structuredContent"]


async def questions(client):
    tools = [tool.name for tool in (await client.list_tools()).tools]
    runs = fields(await client.call_tool("list_runs", {"project": "other"}))
    wrong = await client.call_tool("get_metric", {"run": "il", "metric": "loss"})
    return {"tools": tools, "runs": runs, "hint": fields(wrong)["hint"]}


async def main():
    async with stdio_client(server) as (read, write):
        async with ClientSession(read, write) as session:
            version = (await session.initialize()).model_dump(by_alias=True)["protocolVersion"]
            print(json.dumps({"version": version, **await questions(session)}))
    async with Client(server) as client:
        print(json.dumps({"version": client.protocol_version, **await questions(client)}))


asyncio.run(main())
"#;

#[test]
fn the_official_client_understands_it() {
    let Some(python) = std::env::var_os("RUNWATCH_MCP_PYTHON") else {
        eprintln!("skipped: RUNWATCH_MCP_PYTHON is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(python)
        .args(["-c", CLIENT, BINARY, "mcp", "--ledger"])
        .arg(past())
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("XDG_CACHE_HOME", shared_cache())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let answers = objects(std::str::from_utf8(&output.stdout).unwrap());
    let versions: Vec<&Value> = answers.iter().map(|answer| &answer["version"]).collect();
    assert_eq!(versions, [&json!("2025-11-25"), &json!("2026-07-28")]);
    for answer in &answers {
        assert_eq!(answer["tools"].as_array().unwrap().len(), 11);
        assert_eq!(answer["runs"]["runs"][0]["run"], "twin");
        assert_eq!(answer["hint"], "did you mean `ill`?");
    }
}
