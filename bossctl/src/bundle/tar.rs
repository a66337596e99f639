//! As much of the tar format as a bundle needs: plain files of root's, in blocks of 512 bytes, each
//! after a header with name, mode, size and checksum (POSIX.1-1988, "ustar").

use std::collections::BTreeMap;

/// Name, mode and content of each.
pub(super) fn archive(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, mode, content) in files {
        out.extend(header(name, *mode, content.len()));
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks end it.
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

/// The contents by their names. What a bundle never has is an error: links, directories, a name
/// twice.
pub(super) fn files(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut files = BTreeMap::new();
    let mut rest = bytes;
    loop {
        let (header, after) = rest.split_at_checked(BLOCK).ok_or("it ends too early")?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        if &header[257..262] != b"ustar" || number(&header[148..156]) != Some(checksum(header)) {
            return Err("it is no tar archive, or damaged".to_owned());
        }
        let name = text(&header[..100]);
        if !matches!(header[156], b'0' | 0) {
            return Err(format!("{name} is no plain file"));
        }
        let size = number(&header[124..136]).and_then(|size| usize::try_from(size).ok());
        let size = size.filter(|size| *size <= after.len()).ok_or("it ends too early")?;
        if files.insert(name.clone(), after[..size].to_vec()).is_some() {
            return Err(format!("it has {name} twice"));
        }
        rest = after.get(size.next_multiple_of(BLOCK)..).ok_or("it ends too early")?;
    }
}

fn header(name: &str, mode: u32, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    // Root's, whoever made it.
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    // The time is nobody's business.
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    put(265, "root");
    put(297, "root");
    let sum = checksum(&header);
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

/// Of all bytes, with the checksum's own taken for spaces.
fn checksum(header: &[u8]) -> u64 {
    let own = 148..156;
    let byte = |(at, byte): (usize, &u8)| u64::from(if own.contains(&at) { b' ' } else { *byte });
    header.iter().enumerate().map(byte).sum()
}

fn number(octal: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(octal).trim(), 8).ok()
}

/// Up to the first zero byte.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

const BLOCK: usize = 512;
