//! The files of a journal: numbered segments of checked records, and a note of how far they were carried.
//!
//! A record is its length and CRC-32 (little-endian, 4 bytes each), then JSON. A record that is cut
//! short or does not match its sum ends its segment: that is where a crash, or a failed write, was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Record;

/// A place in the journal: after this many bytes of this segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub segment: u64,
    pub offset: u64,
}

/// No record is larger; a length beyond it is damage.
const MOST: u32 = 64 << 20;
const NOTE: &str = "carried";

/// A folder that no other process uses while this is held.
#[derive(Debug)]
pub struct Slot {
    dir: PathBuf,
    _lock: File,
}

/// Claims a folder under `dir` for this process, and those that dead processes left with records in them.
pub fn claim(dir: &Path) -> io::Result<(Slot, Vec<Slot>)> {
    crate::config::private_folder(dir)?;
    let mut taken = Vec::new();
    let mut number = 0;
    loop {
        let place = dir.join(format!("slot-{number}"));
        let exists = place.is_dir();
        if !exists && !taken.is_empty() {
            break;
        }
        if let Some(slot) = Slot::lock(place)? {
            taken.push(slot);
        }
        number += 1;
    }
    let mut slots = taken.into_iter();
    let own = slots.next().ok_or_else(|| io::Error::other("no slot could be claimed"))?;
    let mut left = Vec::new();
    for slot in slots {
        if slot.first()?.is_some() {
            left.push(slot);
        }
    }
    Ok((own, left))
}

impl Slot {
    fn lock(dir: PathBuf) -> io::Result<Option<Self>> {
        crate::config::private_folder(&dir)?;
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { dir, _lock: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(cause)) => Err(cause),
        }
    }
    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
    /// Up to where the records were carried.
    pub fn noted(&self) -> Position {
        noted(&self.dir)
    }
    /// The start of the oldest segment that still has something to carry.
    pub fn first(&self) -> io::Result<Option<Position>> {
        let noted = self.noted();
        for id in segments(&self.dir)? {
            let length = fs::metadata(path(&self.dir, id))?.len();
            if (id > noted.segment && length > 0) || (id == noted.segment && length > noted.offset) {
                return Ok(Some(Position { segment: id, offset: 0 }));
            }
        }
        Ok(None)
    }
    /// The place after the last byte.
    pub fn end(&self) -> io::Result<Position> {
        match segments(&self.dir)?.last() {
            Some(&segment) => Ok(Position { segment, offset: fs::metadata(path(&self.dir, segment))?.len() }),
            None => Ok(Position::default()),
        }
    }
    /// The size of all segments.
    pub fn bytes(&self) -> io::Result<u64> {
        segments(&self.dir)?.into_iter().map(|id| Ok(fs::metadata(path(&self.dir, id))?.len())).sum()
    }
    /// Records of a slot that has no running journal.
    pub fn read<T: Record>(&self, from: Position, most: usize) -> io::Result<(Vec<T>, Position)> {
        read(&self.dir, from, self.end()?, most)
    }
    /// Notes how far the records of a slot without a running journal were carried.
    pub fn note(&self, to: Position) -> io::Result<()> {
        note(&self.dir, to).map(|_| ())
    }
    /// Deletes everything: all of it was carried.
    pub fn clear(self) -> io::Result<()> {
        for id in segments(&self.dir)? {
            fs::remove_file(path(&self.dir, id))?;
        }
        Ok(())
    }
}

/// The file of a segment.
pub fn path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:016}.log"))
}

/// The numbers of the segments, rising.
pub fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some(id) = name.to_str().and_then(|n| n.strip_suffix(".log")).and_then(|n| n.parse().ok()) {
            ids.push(id);
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Adds one record to a buffer.
pub fn encode<T: Record>(record: &T, buffer: &mut Vec<u8>) -> io::Result<()> {
    let head = buffer.len();
    buffer.extend_from_slice(&[0; 8]);
    if let Err(cause) = serde_json::to_writer(&mut *buffer, record) {
        buffer.truncate(head);
        return Err(cause.into());
    }
    let body = &buffer[head + 8..];
    let length = u32::try_from(body.len()).ok().filter(|n| *n <= MOST);
    let Some(length) = length else {
        buffer.truncate(head);
        return Err(io::Error::other("a record is too large for the journal"));
    };
    let sum = crc32fast::hash(body);
    buffer[head..head + 4].copy_from_slice(&length.to_le_bytes());
    buffer[head + 4..head + 8].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// Reads up to `most` records between two places; answers up to where they reach.
pub fn read<T: Record>(dir: &Path, from: Position, until: Position, most: usize) -> io::Result<(Vec<T>, Position)> {
    let mut records = Vec::new();
    let mut at = from;
    for id in segments(dir)? {
        if id < from.segment || id > until.segment {
            continue;
        }
        if id > at.segment {
            at = Position { segment: id, offset: 0 };
        }
        let stop = if id == until.segment { until.offset } else { u64::MAX };
        let mut file = BufReader::new(File::open(path(dir, id))?);
        file.seek(SeekFrom::Start(at.offset))?;
        while at.offset < stop {
            if records.len() == most {
                return Ok((records, at));
            }
            let Some(body) = next(&mut file)? else {
                let size = fs::metadata(path(dir, id))?.len();
                if at.offset < size {
                    tracing::warn!(segment = id, offset = at.offset, size, "the journal was cut short here");
                }
                break;
            };
            at.offset += 8 + body.len() as u64;
            match serde_json::from_slice(&body) {
                Ok(record) => records.push(record),
                Err(cause) => tracing::error!(%cause, segment = id, "a journal record of another form was skipped"),
            }
        }
    }
    Ok((records, until.max(at)))
}

/// The next whole record, or `None` at the end or at damage.
fn next(file: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 8];
    if !filled(file, &mut head)? {
        return Ok(None);
    }
    let [a, b, c, d, e, f, g, h] = head;
    let length = u32::from_le_bytes([a, b, c, d]);
    if length == 0 || length > MOST {
        return Ok(None);
    }
    let mut body = vec![0; length as usize];
    if !filled(file, &mut body)? || crc32fast::hash(&body) != u32::from_le_bytes([e, f, g, h]) {
        return Ok(None);
    }
    Ok(Some(body))
}

fn filled(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Notes how far the records were carried and deletes what lies before; answers how many bytes that freed.
pub fn note(dir: &Path, to: Position) -> io::Result<u64> {
    let mut text = [0; 20];
    text[..8].copy_from_slice(&to.segment.to_le_bytes());
    text[8..16].copy_from_slice(&to.offset.to_le_bytes());
    let sum = crc32fast::hash(&text[..16]);
    text[16..].copy_from_slice(&sum.to_le_bytes());
    // A note that is lost or torn in a crash only makes some records be carried again.
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(dir.join(NOTE))?;
    file.write_all(&text)?;
    let mut freed = 0;
    for id in segments(dir)?.into_iter().filter(|id| *id < to.segment) {
        let path = path(dir, id);
        freed += fs::metadata(&path)?.len();
        fs::remove_file(&path)?;
    }
    Ok(freed)
}

fn noted(dir: &Path) -> Position {
    let Ok(text) = fs::read(dir.join(NOTE)) else { return Position::default() };
    let Ok(text) = <[u8; 20]>::try_from(text) else { return Position::default() };
    let number = |from: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&text[from..from + 8]);
        u64::from_le_bytes(bytes)
    };
    let mut sum = [0; 4];
    sum.copy_from_slice(&text[16..]);
    if crc32fast::hash(&text[..16]) != u32::from_le_bytes(sum) {
        return Position::default();
    }
    Position { segment: number(0), offset: number(8) }
}
