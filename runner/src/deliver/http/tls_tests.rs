//! Certificates: who is trusted, and what it means if nobody is.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::json;
use tempfile::TempDir;

use super::server::{Server, read_request, talk, wait_for_close};
use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server whose certificate for this name is signed by the authority, for so
/// many connections.
fn server(authority: &Authority, name: &str, connections: usize) -> Server {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    showing(certificate.der(), &key, connections)
}

fn showing(certificate: &CertificateDer<'static>, key: &KeyPair, connections: usize) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    Server::start((0..connections).map(|_| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        talk(move |mut socket| {
            if let Err(error) = tls.complete_io(&mut socket) {
                return error.to_string();
            }
            let mut stream = Stream::new(&mut tls, &mut socket);
            let request = read_request(&mut stream);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ntaken";
            let _ = stream.write_all(answer);
            request
        })
    }))
}

fn exchange(server: &Server, ca_file: Option<PathBuf>) -> Result<Answer, Outcome> {
    let transport = Transport {
        allow_private: true,
        ca_file,
        ..Transport::default()
    };
    let url = format!("https://127.0.0.1:{}/hook", server.port);
    let request = Request::json(url, &json!({}));
    Http::new(transport).unwrap().exchange(&request)
}

fn file(dir: &TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn an_unknown_authority_breaks_the_sink_until_it_is_named() {
    let authority = authority();
    let unknown = server(&authority, "127.0.0.1", 1);
    let outcome = exchange(&unknown, None).unwrap_err();
    assert_eq!(outcome.name(), "broken", "{outcome:?}");
    assert!(outcome.why().unwrap().contains("`ca-file`"), "{outcome:?}");
    assert!(!unknown.heard().remove(0).contains("POST"));

    let dir = TempDir::new().unwrap();
    let named = server(&authority, "127.0.0.1", 1);
    let answer = exchange(&named, Some(file(&dir, &authority.pem()))).unwrap();
    assert_eq!(answer.body, b"taken");
    assert!(named.heard().remove(0).starts_with("POST /hook"));
}

#[test]
fn a_certificate_for_another_name_breaks_the_sink() {
    let authority = authority();
    let dir = TempDir::new().unwrap();
    // Asked twice: the authorities of the system are asked too.
    let other = server(&authority, "hooks.example", 2);
    let outcome = exchange(&other, Some(file(&dir, &authority.pem()))).unwrap_err();
    assert_eq!(outcome.name(), "broken", "{outcome:?}");
    assert!(other.heard().iter().all(|heard| !heard.contains("POST")));
}

/// What `openssl req -x509` makes if nothing else is asked of it.
#[test]
fn an_authority_as_a_server_is_told_apart() {
    let authority = authority();
    let dir = TempDir::new().unwrap();
    let server = showing(authority.der(), authority.key(), 2);
    let outcome = exchange(&server, Some(file(&dir, &authority.pem()))).unwrap_err();
    assert_eq!(outcome.name(), "broken", "{outcome:?}");
    assert!(
        outcome
            .why()
            .unwrap()
            .contains("`basicConstraints=CA:FALSE`"),
        "{outcome:?}"
    );
}

#[test]
fn what_does_not_speak_tls_has_not_taken_the_message() {
    let silent = Server::answering_at_once("HTTP/1.1 400 Plain HTTP\r\n\r\n");
    let outcome = exchange(&silent, None).unwrap_err();
    assert_eq!(outcome.name(), "transient", "{outcome:?}");
}

#[test]
fn a_handshake_that_takes_too_long_is_transient() {
    let silent = Server::start([talk(|mut stream| {
        wait_for_close(&mut stream);
        String::new()
    })]);
    let transport = Transport {
        allow_private: true,
        timeout: Duration::from_millis(200),
        ..Transport::default()
    };
    let url = format!("https://127.0.0.1:{}/hook", silent.port);
    let request = Request::json(url, &json!({}));
    let outcome = Http::new(transport)
        .unwrap()
        .exchange(&request)
        .unwrap_err();
    assert_eq!(outcome.name(), "transient", "{outcome:?}");
    silent.heard();
}

#[test]
fn a_file_without_certificates_is_refused_at_once() {
    let dir = TempDir::new().unwrap();
    for text in [
        "",
        "no certificate",
        &KeyPair::generate().unwrap().serialize_pem(),
    ] {
        let transport = Transport {
            ca_file: Some(file(&dir, text)),
            ..Transport::default()
        };
        let error = Http::new(transport).err().unwrap();
        assert!(error.contains("ca.pem"), "{error}");
    }
    let transport = Transport {
        ca_file: Some(dir.path().join("none")),
        ..Transport::default()
    };
    assert!(Http::new(transport).is_err());
}
