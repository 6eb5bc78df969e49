//! A detector that wants sockets and files, which detectors do not get. Apart
//! from `hostile`, because what it imports would stand in every detector's list.

mod bindings {
    #![allow(missing_docs, unreachable_pub)]
    wit_bindgen::generate!({
        path: "../../../wit/v0.1",
        world: "detector-component",
    });
}

use bindings::exports::runwatch::detector::detector as contract;
use contract::{Finding, Interest, Series, Text};

struct Component;

/// Keeps what it has been told to want.
struct Monitor(String);

impl contract::Guest for Component {
    type Monitor = Monitor;

    fn describe() -> contract::Description {
        contract::Description {
            name: "hostile-io".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Wants sockets and files".to_owned(),
            parameters: Vec::new(),
            facts: Vec::new(),
        }
    }
}

/// The text tells the test that the call went through.
fn reach_out(does: &str) -> String {
    let outcome = match does {
        "tcp" => std::net::TcpStream::connect("127.0.0.1:9").map(drop),
        "listen" => std::net::TcpListener::bind("127.0.0.1:0").map(drop),
        "udp" => std::net::UdpSocket::bind("127.0.0.1:0").map(drop),
        "name" => std::net::ToSocketAddrs::to_socket_addrs("example.com:80").map(drop),
        "read" => std::fs::read("/etc/passwd").map(drop),
        "write" => std::fs::write("/tmp/hostile", b"here"),
        "folder" => std::fs::read_dir("/").map(drop),
        _ => return "stayed at home".to_owned(),
    };
    format!("{does}: {outcome:?}")
}

impl contract::GuestMonitor for Monitor {
    fn open(
        _run: Vec<(String, String)>,
        parameters: Vec<(String, String)>,
    ) -> Result<contract::Monitor, String> {
        let does = parameters.into_iter().find(|(name, _)| name == "does");
        Ok(contract::Monitor::new(Self(
            does.map(|(_, does)| does).unwrap_or_default(),
        )))
    }

    fn interests(&self) -> Vec<Interest> {
        Vec::new()
    }

    fn define(&self, _series: Vec<Series>) {}

    fn observe(
        &self,
        _steps: Vec<i64>,
        _times: Vec<f64>,
        _ranks: Vec<u32>,
        _indices: Vec<u32>,
        _rows: Vec<u32>,
        _values: Vec<f64>,
        _texts: Vec<Text>,
    ) -> Vec<Finding> {
        vec![Finding {
            key: "reached".to_owned(),
            severity: "info".to_owned(),
            state: "firing".to_owned(),
            row: u32::MAX,
            title: "Reached out".to_owned(),
            message: reach_out(&self.0),
            recommendation: "None.".to_owned(),
            values: Vec::new(),
            facts: Vec::new(),
        }]
    }

    fn tick(&self, _now: f64) -> Vec<Finding> {
        Vec::new()
    }

    fn finish(&self, _outcome: String) -> Vec<Finding> {
        Vec::new()
    }

    fn save(&self) -> Option<Vec<u8>> {
        None
    }

    fn restore(&self, _state: Vec<u8>) -> Result<(), String> {
        Err("this detector does not keep state".to_owned())
    }
}

bindings::export!(Component with_types_in bindings);
