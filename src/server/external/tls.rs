//! TLS to a server elsewhere. To PostgreSQL: a port of this machine whose connections go on to it encrypted. To MySQL the driver
//! speaks it itself, since there a client that knows of no TLS would send its password in another way.
//!
//! Everything here (sessions, probes, the tap, `pg_restore`) speaks to that port without TLS, and the server sees a client that
//! asked for it (PostgreSQL manual, 54.2.11 "SSL Session Encryption"). Limits: no channel binding, no client certificates.

use std::fs::File;
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use mysql_async::SslOpts;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Asks a server for TLS: its length, and a number in the place of a protocol version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Which server is believed to be the one that was meant, as libpq's `sslmode` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) enum Trust {
    /// Any (`require`): what is sent is hidden from whoever listens in, and not from whoever stands between.
    Anybody,
    /// One with a certificate for its name (`verify-full`), by the authorities of this file or else of the system.
    Known(Option<PathBuf>),
}

/// What the driver of MySQL is to do. Without a file, authorities are those that Mozilla trusts.
pub(super) fn of_mysql(trust: &Trust) -> SslOpts {
    match trust {
        Trust::Anybody => {
            SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true)
        }
        Trust::Known(None) => SslOpts::default(),
        Trust::Known(Some(file)) => {
            SslOpts::default().with_root_certs(vec![file.clone().into()]).with_disable_built_in_roots(true)
        }
    }
}

/// A port of this machine that leads to a server. Dropping it closes every connection that goes through it.
#[derive(Debug)]
pub(super) struct Tunnel {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// Opens it, and makes sure that the server speaks TLS and is believed. The error is why not, in words.
    pub(super) async fn open(host: String, port: u16, trust: &Trust) -> Result<Self, String> {
        let name = ServerName::try_from(host.clone())
            .map_err(|_| format!("{host} is no name that a certificate could have"))?;
        let way = Way { host, port, name, connector: TlsConnector::from(Arc::new(config(trust)?)) };
        way.connect().await.map_err(|error| error.to_string())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        Ok(Self { address, task: tokio::spawn(accept(listener, way)) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How the server is reached.
#[derive(Clone)]
struct Way {
    host: String,
    port: u16,
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Way {
    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&SSL_REQUEST).await?;
        match stream.read_u8().await? {
            b'S' => self.connector.connect(self.name.clone(), stream).await,
            _ => Err(io::Error::other("it does not speak TLS, which the URL demands (sslmode)")),
        }
    }
}

async fn accept(listener: TcpListener, way: Way) {
    // Owned here, so that aborting this task drops the set and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let way = way.clone();
                    connections.spawn(async move {
                        if let Err(error) = relay(client, &way).await {
                            tracing::debug!(%error, "a connection to the server elsewhere ended");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "the tunnel could not accept a connection"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn relay(mut client: TcpStream, way: &Way) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = way.connect().await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn config(trust: &Trust) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(match trust {
        Trust::Anybody => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth()
        }
        Trust::Known(file) => builder.with_root_certificates(authorities(file.as_ref())?).with_no_client_auth(),
    })
}

fn authorities(file: Option<&PathBuf>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let added = match file {
        Some(file) => {
            let unreadable = |error: &dyn std::fmt::Display| format!("{} (sslrootcert): {error}", file.display());
            let reader = BufReader::new(File::open(file).map_err(|error| unreadable(&error))?);
            let read: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_reader_iter(reader).collect();
            store.add_parsable_certificates(read.map_err(|error| unreadable(&error))?).0
        }
        None => store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs).0,
    };
    if added == 0 {
        return Err(
            "there is no certificate of an authority to believe it by (sslrootcert names a file of them)".to_owned()
        );
    }
    Ok(store)
}

/// Believes every certificate, and checks that the server has its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
