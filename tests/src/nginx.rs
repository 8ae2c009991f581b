//! A real nginx that ends TLS in front of the daemon's `listen.behind_proxy`.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::{eventually::eventually, process::Process, program, scratch, sshd::free_port};

/// A running reverse proxy.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    port: u16,
    ca: PathBuf,
    config: PathBuf,
}

impl Nginx {
    /// A port to be put into the daemon's list of names before nginx starts.
    pub fn reserve() -> u16 {
        free_port()
    }

    /// Starts nginx on `port`, passing everything on to `upstream` (`HOST:PORT`, without TLS).
    pub fn start(port: u16, upstream: &str) -> Self {
        let directory = scratch::directory();
        let ca = directory.join("ca.pem");
        certificates(&directory);
        let text = format!(
            "daemon off;\nmaster_process off;\npid {d}/nginx.pid;\nerror_log stderr warn;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n\
               access_log off;\n\
               client_body_temp_path {d}/body;\nproxy_temp_path {d}/proxy;\n\
               fastcgi_temp_path {d}/f;\nuwsgi_temp_path {d}/u;\nscgi_temp_path {d}/s;\n\
               map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}\n\
               server {{\n\
                 listen 127.0.0.1:{port} ssl;\n\
                 ssl_protocols TLSv1.2 TLSv1.3;\n\
                 ssl_certificate {d}/leaf.pem;\nssl_certificate_key {d}/leaf.key;\n\
                 location / {{\n\
                   proxy_pass http://{upstream};\n\
                   proxy_http_version 1.1;\n\
                   proxy_set_header Host $http_host;\n\
                   proxy_set_header Upgrade $http_upgrade;\n\
                   proxy_set_header Connection $connection_upgrade;\n\
                   proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
                   proxy_set_header X-Forwarded-Proto $scheme;\n\
                   proxy_read_timeout 300s;\n\
                   proxy_buffering off;\n\
                 }}\n\
               }}\n\
             }}\n",
            d = directory.display(),
        );
        let config = directory.join("nginx.conf");
        fs::write(&config, text).expect("our own directory");
        Self { process: run(&config, port), port, ca, config }
    }

    /// Starts it again, so that it passes upgrades on or doesn't.
    pub fn take_upgrades(&mut self, yes: bool) {
        const PASSED: &str = "Upgrade $http_upgrade;";
        const DROPPED: &str = "Upgrade '';";

        let (from, to) = if yes { (DROPPED, PASSED) } else { (PASSED, DROPPED) };
        let text = fs::read_to_string(&self.config).expect("our own file");
        assert!(text.contains(from), "{text}");
        fs::write(&self.config, text.replace(from, to)).expect("our own file");
        self.process.kill();
        self.process = run(&self.config, self.port);
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// File of the CA that signed its certificate.
    pub fn ca(&self) -> PathBuf {
        self.ca.clone()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn run(config: &Path, port: u16) -> Process {
    let directory = config.parent().expect("a directory");
    let mut command = Command::new(program::installed("nginx"));
    command.arg("-e").arg("stderr").arg("-p").arg(directory).arg("-c").arg(config);
    let process = Process::start("nginx", &command);
    eventually("nginx to accept", || TcpStream::connect(("127.0.0.1", port)).ok());
    process
}

/// A CA of nginx's own, and a leaf for 127.0.0.1.
fn certificates(directory: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let ca = CertifiedIssuer::self_signed(params, key).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
        .expect("names")
        .signed_by(&key, &ca)
        .expect("a leaf");
    fs::write(directory.join("ca.pem"), ca.pem()).expect("our own directory");
    fs::write(directory.join("leaf.pem"), leaf.pem()).expect("our own directory");
    scratch::secret_file(&directory.join("leaf.key"), &key.serialize_pem());
}
