//! Documents that are packed, for the way or as they are published.

use std::io::{Cursor, Write as _};

use super::*;

fn brotli(data: &[u8]) -> Vec<u8> {
    // Uncompressed meta-blocks (RFC 7932, 9.2), as this project has no use for an encoder.
    let mut out = Vec::new();
    let mut bits = Bits::default();
    bits.put(0, 1); // WBITS 16
    for piece in data.chunks(1 << 16) {
        bits.put(0, 1); // not the last
        bits.put(0, 2); // four nibbles of length
        bits.put(piece.len() as u32 - 1, 16);
        bits.put(1, 1); // uncompressed
        out.append(&mut bits.flush());
        out.extend_from_slice(piece);
    }
    bits.put(3, 2); // the last, and empty
    out.append(&mut bits.flush());
    out
}

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.0.extend((0..count).map(|bit| value >> bit & 1 == 1));
    }

    fn flush(&mut self) -> Vec<u8> {
        let bits = std::mem::take(&mut self.0);
        let byte =
            |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        bits.chunks(8).map(byte).collect()
    }
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 3).unwrap()
}

fn zip(name: &str, data: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(data).unwrap();
    writer.finish().unwrap().into_inner()
}

fn serve(head: &str, body: Vec<u8>) -> Server {
    let response = answer(head, body);
    Server::start(move |_, to| say(to, &response))
}

#[test]
fn encodings_that_were_asked_for() {
    let list = "198.51.100.7\n".repeat(200_000);
    let (head, tail) = list.as_bytes().split_at(1_000);
    for (encoding, body) in [
        ("br", brotli(list.as_bytes())),
        ("zstd", zstd(list.as_bytes())),
        // Frame after frame.
        ("zstd", [zstd(head), zstd(b""), zstd(tail)].concat()),
    ] {
        let server = serve(&format!("200 OK\nContent-Encoding: {encoding}"), body);
        assert_eq!(text(fetch(&server.url("/")).unwrap()), list, "{encoding}");
    }
}

#[test]
fn encoded_documents_that_break_off_or_are_broken() {
    let list = b"198.51.100.7\n".repeat(1_000);
    for (encoding, name, whole) in [("br", "brotli", brotli(&list)), ("zstd", "zstd", zstd(&list))]
    {
        let mut broken = whole.clone();
        broken[..4].fill(0xff);
        for body in [whole[..whole.len() - 1].to_vec(), whole[..3].to_vec(), broken] {
            let server = serve(&format!("200 OK\nContent-Encoding: {encoding}"), body);
            let (reason, retryable) = failed(fetch(&server.url("/")));
            assert!(reason.starts_with(&format!("broken {name} data")), "{reason}");
            assert!(retryable);
        }
    }
}

#[test]
fn a_zstd_bomb() {
    let bomb = zstd(&vec![b'1'; 64 << 20]);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let server = serve("200 OK\nContent-Encoding: zstd", bomb);
    let options = FetchOptions { max_bytes: 1 << 20, ..once() };
    let (reason, retryable) = failed(fetch_with(request(&server.url("/")), &options));
    assert!(reason.starts_with("longer than the 1048576 bytes"), "{reason}");
    assert!(!retryable);
}

#[test]
fn a_zstd_window_beyond_what_the_web_allows() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(25).unwrap();
    encoder.write_all(&vec![b'1'; 40 << 20]).unwrap();
    let server = serve("200 OK\nContent-Encoding: zstd", encoder.finish().unwrap());
    let (reason, _) = failed(fetch(&server.url("/")));
    assert!(reason.starts_with("broken zstd data"), "{reason}");
}

#[test]
fn lists_published_as_gz_and_zip() {
    let list = "198.51.100.7\n".repeat(200_000);
    let plain = list.as_bytes();
    for body in [gzip(plain), zip("listed_ip_1.txt", plain)] {
        let server = serve("200 OK\nContent-Type: application/octet-stream", body.clone());
        assert_eq!(text(fetch(&server.url("/list.gz")).unwrap()), list);
        // Packed once more for the way.
        let server = serve("200 OK\nContent-Encoding: gzip", gzip(&body));
        assert_eq!(text(fetch(&server.url("/")).unwrap()), list);
        // And from a file.
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&body).unwrap();
        assert_eq!(text(fetch(&format!("file:{}", file.path().display())).unwrap()), list);
    }
}

#[test]
fn a_member_of_an_archive() {
    let server = serve("200 OK", zip("a/list.txt", b"192.0.2.1\n"));
    let of = |member: &str| {
        let mut request = request(&server.url("/"));
        request.member = Some(member.to_owned());
        fetch_with(request, &once())
    };
    assert_eq!(text(of("a/list.txt").unwrap()), "192.0.2.1\n");
    let (reason, retryable) = failed(of("list.txt"));
    assert_eq!(reason, "the zip archive has no \"list.txt\", it has \"a/list.txt\"");
    assert!(!retryable);
}

#[test]
fn bombs_as_content() {
    let zeros = vec![0; 64 << 20];
    for bomb in [gzip(&zeros), zip("a", &zeros)] {
        assert!(bomb.len() < 1 << 20, "{}", bomb.len());
        let server = serve("200 OK", bomb);
        let options = FetchOptions { max_bytes: 1 << 20, ..once() };
        let (reason, retryable) = failed(fetch_with(request(&server.url("/")), &options));
        assert!(reason.starts_with("longer than the 1048576 bytes"), "{reason}");
        assert!(!retryable);
    }
}
