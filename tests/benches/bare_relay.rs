//! The bare relay: russh pumped into a rustls WebSocket, and nothing else. No login, no limits, no
//! windows, no pings: what a relay made of the same parts can do at best, measured in the same run.

use std::{borrow::Cow, error::Error, fs, path::PathBuf, sync::Arc};

use clap::Parser;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use gangplank_certs::provider;
use russh::{
    Channel, ChannelMsg, Preferred, cipher,
    client::{self, Handle, Handler, Msg},
    keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key},
};
use rustls::{ServerConfig, version::TLS13};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Where its terminals are.
#[derive(Debug, Parser)]
struct Arguments {
    /// `HOST:PORT` of the SSH server.
    target: String,
    /// Login name there.
    user: String,
    /// File of the user's private key.
    key: PathBuf,
    /// File that the relay's certificate is written to.
    certificate: PathBuf,
}

struct Target {
    address: String,
    user: String,
    key: Arc<PrivateKey>,
}

struct AnyKey;

impl Handler for AnyKey {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    fs::write(&arguments.certificate, made.cert.pem())?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let key = Arc::new(load_secret_key(&arguments.key, None)?);
    let target = Target { address: arguments.target, user: arguments.user, key };
    let target = Arc::new(target);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, target) = (acceptor.clone(), Arc::clone(&target));
        tokio::spawn(async move {
            if let Err(error) = relay(stream, &acceptor, &target).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn relay(stream: TcpStream, acceptor: &TlsAcceptor, target: &Target) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let buffers = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
    let mut socket = accept_async_with_config(stream, Some(buffers)).await?;
    let (_handle, channel) = shell(target).await?;
    let (mut output, input) = channel.split();
    loop {
        tokio::select! {
            message = socket.next() => match message.transpose()? {
                Some(Message::Binary(keys)) => input.data_bytes(keys).await?,
                Some(_) => {}
                None => return Ok(()),
            },
            message = output.wait() => {
                let mut next = Some(message);
                while let Some(message) = next {
                    match message {
                        Some(ChannelMsg::Data { data }) => socket.feed(Message::Binary(data)).await?,
                        Some(_) => {}
                        None => return Ok(socket.close(None).await?),
                    }
                    next = output.wait().now_or_never();
                }
                socket.flush().await?;
            }
        }
    }
}

async fn shell(target: &Target) -> Outcome<(Handle<AnyKey>, Channel<Msg>)> {
    let config = client::Config {
        preferred: Preferred {
            cipher: Cow::Borrowed(&[cipher::AES_256_GCM]),
            ..Preferred::DEFAULT
        },
        nodelay: true,
        ..client::Config::default()
    };
    let mut handle = client::connect(Arc::new(config), &target.address, AnyKey).await?;
    let key = PrivateKeyWithHashAlg::new(Arc::clone(&target.key), None);
    if !handle.authenticate_publickey(&target.user, key).await?.success() {
        return Err("the server refused the key".into());
    }
    let channel = handle.channel_open_session().await?;
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await?;
    channel.request_shell(true).await?;
    Ok((handle, channel))
}
