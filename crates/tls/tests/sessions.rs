//! Sessions with each other, and what goes wrong between them.

use std::fs;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use skynet_tls::{ClientCert, Configs, Error, Fault, Options, Session};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let path = std::env::temp_dir().join(format!("skynet-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        // As those do that renew certificates: another file takes the name.
        let fresh = self.0.join("fresh");
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, &path).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An authority of our own.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        Authority::named(&format!("authority {}", NUMBER.fetch_add(1, Relaxed)))
    }

    fn named(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Authority {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Certificate and key for these names, after a change of what the certificate says.
    fn issue(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    }
}

fn server_options(cert: &Path, key: &Path) -> Options {
    Options {
        cert: Some(cert.to_owned()),
        key: Some(key.to_owned()),
        ..Options::default()
    }
}

fn client_options(ca: &Path) -> Options {
    Options {
        ca: Some(ca.to_owned()),
        ..Options::default()
    }
}

/// Moves bytes both ways, `step` at a time, until nothing is left. What each has got, or why it failed.
fn talk(client: &mut Session, server: &mut Session, step: usize) -> [Result<Vec<u8>, Error>; 2] {
    let mut got = [Ok(Vec::new()), Ok(Vec::new())];
    loop {
        let mut moved = 0;
        for to_server in [true, false] {
            let (from, to) = if to_server {
                (&mut *client, &mut *server)
            } else {
                (&mut *server, &mut *client)
            };
            let mut bytes = Vec::new();
            from.output(&mut bytes);
            moved += bytes.len();
            for piece in bytes.chunks(step) {
                let got = &mut got[usize::from(to_server)];
                if let Ok(plain) = got
                    && let Err(error) = to.feed(piece, plain)
                {
                    *got = Err(error);
                }
            }
        }
        if moved == 0 {
            return got;
        }
    }
}

/// A handshake; the client's error, and the server's.
fn handshake(client: &Options, server: &Options, name: &str) -> [Result<Vec<u8>, Error>; 2] {
    let configs = Configs::default();
    let (client, server) = (
        configs.client(client).unwrap(),
        configs.server(server).unwrap(),
    );
    let mut client = Session::client(&client.setup, Some(name)).unwrap();
    let mut server = Session::server(&server.setup).unwrap();
    talk(&mut client, &mut server, usize::MAX)
}

fn fault(outcome: &Result<Vec<u8>, Error>) -> &Fault {
    match outcome {
        Err(Error::Certificate(reason)) => &reason.fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn plaintext_arrives_in_whatever_pieces_the_records_come() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (cert, key) = authority.issue(&["a.example", "b.example"], |_| {});
    let (cert, key) = (folder.write("cert", &cert), folder.write("key", &key));
    let ca = folder.write("ca", &authority.pem());
    let configs = Configs::default();
    let mut options = server_options(&cert, &key);
    options.alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server_setup = configs.server(&options).unwrap().setup;
    let mut options = client_options(&ca);
    options.alpn = vec![b"http/1.1".to_vec()];
    let client_setup = configs.client(&options).unwrap().setup;
    let text: Vec<u8> = (0..100_000_u32).map(|n| (n / 7) as u8).collect();
    for step in [1, 5, 100, 16_000, usize::MAX] {
        let mut client = Session::client(&client_setup, Some("b.example")).unwrap();
        let mut server = Session::server(&server_setup).unwrap();
        assert_eq!(client.seal(&[IoSlice::new(b"too early")]), 0);
        assert_eq!(client.info(), None);
        let [to_client, to_server] = talk(&mut client, &mut server, step);
        assert_eq!((to_client, to_server), (Ok(Vec::new()), Ok(Vec::new())));
        let info = client.info().unwrap();
        assert_eq!((info.version, info.verified), ("TLSv1.3", true));
        assert_eq!(info.alpn.as_deref(), Some(&b"http/1.1"[..]));
        assert_eq!(info.peer_names, ["a.example", "b.example"]);
        let info = server.info().unwrap();
        assert_eq!(info.server_name.as_deref(), Some("b.example"));
        assert!(!info.peer_certificate && !info.verified);
        let mut sent = 0;
        let mut got = Vec::new();
        while sent < text.len() {
            let sealed = client.seal(&[IoSlice::new(&text[sent..])]);
            assert!(sealed >= 10_000.min(text.len() - sent), "{sealed}");
            sent += sealed;
            let [_, arrived] = talk(&mut client, &mut server, step);
            got.extend(arrived.unwrap());
        }
        assert!(got == text);
        assert!(!server.has_ended());
        assert_eq!(server.cut_off(), Error::Truncated);
        client.close();
        talk(&mut client, &mut server, step)[1].as_ref().unwrap();
        assert!(server.has_ended());
        // The other direction is still open.
        assert_eq!(server.seal(&[IoSlice::new(b"last words")]), 10);
        assert_eq!(
            talk(&mut client, &mut server, step)[0],
            Ok(b"last words".to_vec())
        );
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let ca = folder.write("ca", &authority.pem());
    let verdict = |cert: &str, key: &str, name: &str| {
        let (cert, key) = (folder.write("cert", cert), folder.write("key", key));
        let [client, server] = handshake(&client_options(&ca), &server_options(&cert, &key), name);
        let text = client.as_ref().unwrap_err().to_string();
        // The other side hears of it, too.
        assert!(matches!(server, Err(Error::Refused(_))), "{server:?}");
        (fault(&client).clone(), text)
    };

    let (cert, key) = authority.issue(&["a.example", "*.b.example"], |_| {});
    let (what, text) = verdict(&cert, &key, "c.example");
    assert!(matches!(what, Fault::WrongName { .. }));
    assert!(
        text.contains(
            "the certificate of c.example is made out to others: a.example, *.b.example;"
        ),
        "{text}"
    );
    assert!(text.contains("verify = false"), "{text}");

    let (cert, key) = authority.issue(&[], |_| {});
    assert!(
        verdict(&cert, &key, "c.example")
            .1
            .contains("has no names in it")
    );

    let (cert, key) = authority.issue(&["c.example"], |params| {
        params.not_after = date_time_ymd(2020, 2, 29);
    });
    let (what, text) = verdict(&cert, &key, "c.example");
    assert!(matches!(what, Fault::Expired { not_after: Some(_) }));
    assert!(
        text.contains("has expired (2020-02-29 00:00:00 UTC)"),
        "{text}"
    );

    let (cert, key) = authority.issue(&["c.example"], |params| {
        params.not_before = date_time_ymd(3000, 1, 1);
    });
    let (what, text) = verdict(&cert, &key, "c.example");
    assert!(matches!(what, Fault::NotYetValid { .. }));
    assert!(text.contains("not valid yet (3000-01-01"), "{text}");

    let (cert, key) = Authority::new().issue(&["c.example"], |_| {});
    let (what, text) = verdict(&cert, &key, "c.example");
    assert_eq!(what, Fault::UnknownIssuer);
    assert!(
        text.contains(&format!("(trusted are those in {})", ca.display())),
        "{text}"
    );

    // An authority that was made anew under the same name.
    let ca = folder.write("ca", &Authority::named("again").pem());
    let (cert, key) = Authority::named("again").issue(&["c.example"], |_| {});
    let server = server_options(&folder.write("cert", &cert), &folder.write("key", &key));
    let [client, server] = handshake(&client_options(&ca), &server, "c.example");
    assert_eq!(*fault(&client), Fault::UnknownIssuer);
    let text = server.unwrap_err().to_string();
    assert!(
        text.contains("not signed by the authority whose name it has"),
        "{text}"
    );
    folder.write("ca", &authority.pem());

    let (cert, key) = authority.issue(&["c.example"], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    assert_eq!(verdict(&cert, &key, "c.example").0, Fault::Authority);

    let (cert, key) = authority.issue(&["c.example"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_eq!(verdict(&cert, &key, "c.example").0, Fault::Purpose);
}

/// What `openssl req -x509` makes: its own authority. Who puts it into the file of authorities trusts it; its name and
/// its time count nevertheless.
#[test]
fn a_certificate_that_signs_itself_can_be_trusted() {
    let folder = Folder::new();
    for is_ca in [false, true] {
        let make = |name: &str, year| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            if is_ca {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            params.not_after = date_time_ymd(year, 1, 1);
            let key = KeyPair::generate().unwrap();
            let cert = params.self_signed(&key).unwrap().pem();
            (
                folder.write("cert", &cert),
                folder.write("key", &key.serialize_pem()),
            )
        };
        let outcome = |(cert, key): (PathBuf, PathBuf)| {
            handshake(
                &client_options(&cert),
                &server_options(&cert, &key),
                "self.example",
            )
        };
        assert_eq!(
            outcome(make("self.example", 2100)),
            [Ok(vec![]), Ok(vec![])]
        );
        let [client, _] = outcome(make("other.example", 2100));
        assert!(matches!(fault(&client), Fault::WrongName { .. }), "{is_ca}");
        let [client, _] = outcome(make("self.example", 2001));
        assert!(matches!(fault(&client), Fault::Expired { .. }), "{is_ca}");
    }
}

#[test]
fn without_verification_any_certificate_will_do() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (cert, key) = authority.issue(&["a.example"], |params| {
        params.not_after = date_time_ymd(2020, 2, 29);
    });
    let options = Options {
        verify: false,
        ..Options::default()
    };
    let server = server_options(&folder.write("cert", &cert), &folder.write("key", &key));
    for name in ["b.example", "10.0.0.1", "::1"] {
        assert_eq!(handshake(&options, &server, name), [Ok(vec![]), Ok(vec![])]);
    }
    let configs = Configs::default();
    let setup = configs.client(&options).unwrap().setup;
    assert!(Session::client(&setup, None).is_ok());
    let verifying = configs
        .client(&client_options(&folder.write("ca", &authority.pem())))
        .unwrap()
        .setup;
    assert_eq!(
        Session::client(&verifying, None).unwrap_err(),
        Error::NameMissing
    );
    for name in ["", "a b", "a..b", ".", "http://a"] {
        let refused = Session::client(&verifying, Some(name)).unwrap_err();
        assert_eq!(refused, Error::InvalidName(name.to_owned()));
    }
}

#[test]
fn clients_show_certificates_if_they_have_to() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (cert, key) = authority.issue(&["a.example"], |_| {});
    let ca = folder.write("ca", &authority.pem());
    let mut server = server_options(&folder.write("cert", &cert), &folder.write("key", &key));
    server.client_cert = ClientCert::Required;
    assert_eq!(
        Configs::default().server(&server).unwrap_err(),
        Error::AuthoritiesMissing
    );
    server.ca = Some(ca.clone());

    let nameless = client_options(&ca);
    let [client, told] = handshake(&nameless, &server, "a.example");
    assert_eq!(*fault(&told), Fault::Missing);
    let text = client.unwrap_err().to_string();
    assert!(
        text.contains("it wants a certificate of this side; set cert and key"),
        "{text}"
    );

    let mut known = nameless.clone();
    let (cert, key) = authority.issue(&["client.example"], |_| {});
    known.cert = Some(folder.write("client", &format!("{cert}{key}")));
    assert_eq!(
        handshake(&known, &server, "a.example"),
        [Ok(vec![]), Ok(vec![])]
    );

    let mut stranger = nameless.clone();
    let (cert, key) = Authority::new().issue(&["client.example"], |_| {});
    stranger.cert = Some(folder.write("stranger", &format!("{cert}{key}")));
    let [client, told] = handshake(&stranger, &server, "a.example");
    assert_eq!(*fault(&told), Fault::UnknownIssuer);
    assert!(
        client
            .unwrap_err()
            .to_string()
            .contains("does not know the authority")
    );

    server.client_cert = ClientCert::Optional;
    assert_eq!(
        handshake(&nameless, &server, "a.example"),
        [Ok(vec![]), Ok(vec![])]
    );
    assert!(handshake(&stranger, &server, "a.example")[1].is_err());
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (cert, key) = authority.issue(&["a.example"], |_| {});
    let (_, other) = authority.issue(&["a.example"], |_| {});
    let (cert, key) = (folder.write("cert", &cert), folder.write("key", &key));
    let other = folder.write("other", &other);
    let empty = folder.write("empty", "");
    let encrypted = folder.write(
        "encrypted",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let broken = folder.write(
        "broken",
        "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n",
    );
    let missing = folder.0.join("missing");
    let refused = |cert: &Path, key: &Path| {
        let error = Configs::default().server(&server_options(cert, key));
        error.unwrap_err().to_string()
    };
    for (cert, key, named, why) in [
        (&missing, &key, &missing, "No such file"),
        (&folder.0, &key, &folder.0, "not a file"),
        (&empty, &key, &empty, "no certificate in it"),
        (&broken, &key, &broken, "PEM is expected"),
        (&cert, &missing, &missing, "No such file"),
        (&cert, &cert, &cert, "no private key in it"),
        (&cert, &encrypted, &encrypted, "encrypted"),
        (&cert, &other, &other, "does not belong to the certificate"),
    ] {
        let text = refused(cert, key);
        assert!(
            text.contains(why) && text.contains(&named.display().to_string()),
            "{text}"
        );
    }
    let configs = Configs::default();
    assert_eq!(
        configs.server(&Options::default()).unwrap_err(),
        Error::CertificateMissing
    );
    let text = configs
        .client(&client_options(&empty))
        .unwrap_err()
        .to_string();
    assert!(text.contains("no certificate in it"), "{text}");
}

#[test]
fn a_peer_that_does_not_speak_tls_is_recognised() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (cert, key) = authority.issue(&["a.example"], |_| {});
    let server = server_options(&folder.write("cert", &cert), &folder.write("key", &key));
    let configs = Configs::default();
    let setup = configs.server(&server).unwrap().setup;
    for (said, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "speaks HTTP in the clear"),
        (b"\x00\x05hello", "it has sent \"\\x00\\x05hello\""),
    ] {
        for step in [1, 100] {
            let mut session = Session::server(&setup).unwrap();
            let outcomes: Vec<_> = said
                .chunks(step)
                .map(|piece| session.feed(piece, &mut Vec::new()))
                .collect();
            let error = outcomes.into_iter().find_map(Result::err).unwrap();
            let text = error.to_string();
            assert!(matches!(error, Error::NotTls(_)), "{error:?}");
            assert!(step == 1 || text.contains(expected), "{text}");
            assert_eq!(session.feed(b"more", &mut Vec::new()), Err(Error::Over));
            assert_eq!(session.seal(&[IoSlice::new(b"more")]), 0);
        }
    }
    let session = Session::server(&setup).unwrap();
    assert_eq!(session.cut_off(), Error::EndedInHandshake);
}

#[test]
fn files_that_change_are_used_for_the_next_connection() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let ca = folder.write("ca", &authority.pem());
    let (first, first_key) = authority.issue(&["first.example"], |_| {});
    let (cert, key) = (
        folder.write("cert", &first),
        folder.write("key", &first_key),
    );
    let (client, server) = (client_options(&ca), server_options(&cert, &key));
    let configs = Configs::default();
    let connect = |name: &str| {
        let loaded = configs.server(&server).unwrap();
        let setup = configs.client(&client).unwrap().setup;
        let mut client = Session::client(&setup, Some(name)).unwrap();
        let mut server = Session::server(&loaded.setup).unwrap();
        let [outcome, _] = talk(&mut client, &mut server, usize::MAX);
        (outcome.is_ok(), loaded.problem)
    };
    assert_eq!(connect("first.example"), (true, None));

    let (second, second_key) = authority.issue(&["second.example"], |_| {});
    folder.write("cert", &second);
    // The key has not come yet: the old pair stays, and that is said once.
    let (good, problem) = connect("first.example");
    assert!(
        good && matches!(problem, Some(Error::KeyMismatch { .. })),
        "{problem:?}"
    );
    assert_eq!(connect("first.example"), (true, None));
    folder.write("key", &second_key);
    assert_eq!(connect("second.example"), (true, None));
    assert_eq!(connect("first.example"), (false, None));

    fs::remove_file(&key).unwrap();
    let (good, problem) = connect("second.example");
    assert!(
        good && matches!(problem, Some(Error::File { .. })),
        "{problem:?}"
    );
    // In place, too.
    fs::write(&key, &first_key).unwrap();
    fs::write(&cert, &first).unwrap();
    assert_eq!(connect("first.example"), (true, None));

    // And those of authorities.
    let other = Authority::new();
    let (cert, key) = other.issue(&["first.example"], |_| {});
    folder.write("cert", &cert);
    folder.write("key", &key);
    assert!(!connect("first.example").0);
    folder.write("ca", &format!("{}{}", authority.pem(), other.pem()));
    assert!(connect("first.example").0);
}
