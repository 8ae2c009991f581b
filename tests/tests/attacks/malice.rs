//! What hostile SSH servers say before anybody has logged in (RFC 4253).

/// What a server says once, and then says for ever; or nothing more.
pub(crate) struct Malice {
    /// What it is about.
    pub(crate) name: &'static str,
    pub(crate) first: Vec<u8>,
    pub(crate) ever: Vec<u8>,
}

const GREETING: &[u8] = b"SSH-2.0-Hostile\r\n";
const SSH_MSG_IGNORE: u8 = 2;
const SSH_MSG_DEBUG: u8 = 4;
const SSH_MSG_EXT_INFO: u8 = 7;
const SSH_MSG_KEXINIT: u8 = 20;
const SSH_MSG_NEWKEYS: u8 = 21;
const SSH_MSG_KEX_ECDH_REPLY: u8 = 31;

/// All of them.
pub(crate) fn all() -> Vec<Malice> {
    let ours = "curve25519-sha256,kex-strict-s-v00@openssh.com";
    let begun = [GREETING, &kex_init(ours)].concat();
    let after = |message: &[u8]| [begun.as_slice(), &packet(message)].concat();
    let flood = |message: u8| packet(&[&[message][..], &string(&[b'x'; 8192])].concat());
    let malice = |name, first: &[u8], ever: &[u8]| Malice {
        name,
        first: first.to_vec(),
        ever: ever.to_vec(),
    };
    vec![
        malice("lines before the greeting", b"", b"please hold the line\r\n"),
        malice("one line before the greeting", b"", &[b'x'; 4096]),
        malice("noise for packets", GREETING, &[0xa5; 4096]),
        malice("a huge packet", &[GREETING, b"\x7f\xff\xff\xff\x04"].concat(), &[0; 4096]),
        malice("a packet of no length", &[GREETING, &[0; 64]].concat(), b""),
        malice("a greeting without end", b"SSH-2.0-", &[b'y'; 4096]),
        malice("no key exchange that ends", &begun, b""),
        malice("nothing in common", &[GREETING, &kex_init("none-of-these")].concat(), b""),
        malice("a flood of IGNORE", &begun, &flood(SSH_MSG_IGNORE)),
        malice("a flood of DEBUG", &begun, &flood(SSH_MSG_DEBUG)),
        malice("a flood of EXT_INFO", &begun, &flood(SSH_MSG_EXT_INFO)),
        malice("a flood of KEXINIT", &begun, &kex_init(ours)),
        malice("new keys before there are any", &after(&[SSH_MSG_NEWKEYS]), b""),
        malice("a point that is zero", &after(&reply(&[0; 32])), b""),
        malice("a point that is short", &after(&reply(&[7])), b""),
        malice("a point that is long", &after(&reply(&[7; 4096])), b""),
    ]
}

/// RFC 4253 §6, before there is encryption.
fn packet(payload: &[u8]) -> Vec<u8> {
    // At least four bytes of padding, up to a multiple of eight.
    let padding = 4 + (8 - (payload.len() + 5 + 4) % 8) % 8;
    let length = u32::try_from(1 + payload.len() + padding).expect("a short packet");
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).expect("little padding"));
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a short string");
    [&length.to_be_bytes(), bytes].concat()
}

/// RFC 4253 §7.1.
fn kex_init(kex: &str) -> Vec<u8> {
    let cipher = "aes256-gcm@openssh.com,aes256-ctr";
    let mac = "hmac-sha2-256";
    let lists = [kex, "ssh-ed25519", cipher, cipher, mac, mac, "none", "none", "", ""];
    let mut payload = vec![SSH_MSG_KEXINIT];
    payload.extend_from_slice(&[0x5a; 16]);
    payload.extend(lists.into_iter().flat_map(|list| string(list.as_bytes())));
    payload.extend_from_slice(&[0; 5]);
    packet(&payload)
}

/// RFC 5656 §4, with a key and a signature that are none.
fn reply(point: &[u8]) -> Vec<u8> {
    let key = [string(b"ssh-ed25519"), string(&[1; 32])].concat();
    let signature = [string(b"ssh-ed25519"), string(&[2; 64])].concat();
    let parts = [string(&key), string(point), string(&signature)].concat();
    [&[SSH_MSG_KEX_ECDH_REPLY][..], &parts].concat()
}
