//! Label cells with a cellport atlas in Rust, with no package at all: written from docs/format.md.
//!
//!     rustc --edition 2021 -O examples/read_atlas.rs      # Rust 1.77 or newer
//!     ./read_atlas libonnxruntime.so ATLAS.cellport 10X_FOLDER > labels.tsv
//!
//! The library is ONNX Runtime's, 1.20 or newer: of its releases, or of the wheel, where it lies in
//! `onnxruntime/capi`. Unix only, for `dlopen`.

use std::collections::{HashMap, HashSet};
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::{env, fs, path::Path, process, ptr};

type Result<T> = std::result::Result<T, String>;
const SEAL: &[u8] = b"cellport atlas, sha256 of all bytes before these 64: ";
const CELLS_AT_A_TIME: usize = 256;
/// What an atlas may ask of a reader and no label depends on: how sure it is, and its label set.
const NO_LABEL_DEPENDS: [&str; 2] = ["information_power", "set_mass"];

/// SHA-256 as FIPS 180-4 defines it, hexadecimal.
fn sha256(data: &[u8]) -> String {
    // fractional parts of cube and square roots of the first primes
    let primes = (2u64..312)
        .filter(|n| (2..*n).all(|d| n % d != 0))
        .collect::<Vec<_>>();
    let root = |n: u64, power: u32| {
        // the largest r with r^power <= n * 2^(32 * power), found bit by bit
        let fits = |r: u128| r.pow(power) <= u128::from(n) << (32 * power);
        (0..37).rev().fold(
            0u128,
            |r, bit| if fits(r | 1 << bit) { r | 1 << bit } else { r },
        ) as u32
    };
    let k: Vec<u32> = primes[..64].iter().map(|n| root(*n, 3)).collect();
    let mut h: Vec<u32> = primes[..8].iter().map(|n| root(*n, 2)).collect();
    let mut padded = data.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8 + 63) / 64 * 64 - 8, 0);
    padded.extend((data.len() as u64 * 8).to_be_bytes());
    for chunk in padded.chunks(64) {
        let mut w: Vec<u32> = chunk
            .chunks(4)
            .map(|b| u32::from_be_bytes(b.try_into().unwrap()))
            .collect();
        for i in 16..64 {
            let (a, b) = (w[i - 15], w[i - 2]);
            let s0 = a.rotate_right(7) ^ a.rotate_right(18) ^ a >> 3;
            let s1 = b.rotate_right(17) ^ b.rotate_right(19) ^ b >> 10;
            w.push(
                w[i - 16]
                    .wrapping_add(s0)
                    .wrapping_add(w[i - 7])
                    .wrapping_add(s1),
            );
        }
        let mut v = h.clone();
        for i in 0..64 {
            let (a, e) = (v[0], v[4]);
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = e & v[5] ^ !e & v[6];
            let t1 = [s1, choice, k[i], w[i]]
                .iter()
                .fold(v[7], |sum, x| sum.wrapping_add(*x));
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let majority = a & v[1] ^ a & v[2] ^ v[1] & v[2];
            v.rotate_right(1);
            v[4] = v[4].wrapping_add(t1);
            v[0] = t1.wrapping_add(s0).wrapping_add(majority);
        }
        h.iter_mut()
            .zip(v)
            .for_each(|(sum, x)| *sum = sum.wrapping_add(x));
    }
    h.iter().map(|x| format!("{x:08x}")).collect()
}

/// The members of a sealed zip of stored files, by name.
fn open_sealed(path: &str) -> Result<HashMap<String, Vec<u8>>> {
    let damaged = || format!("{path} is damaged.");
    let file = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let begin = file.len().saturating_sub(SEAL.len() + 64);
    if begin < 22 {
        return Err(damaged());
    }
    let sealed = [SEAL, sha256(&file[..file.len() - 64]).as_bytes()].concat();
    if file[begin..] != sealed[..] {
        return Err(damaged());
    }
    let u16 = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    let u32 = |at: usize| u16(at) | u16(at + 2) << 16;
    // the end of the directory is the 22 bytes before the comment
    let (mut at, mut members) = (u32(begin - 22 + 16), HashMap::new());
    for _ in 0..u16(begin - 22 + 10) {
        let name = String::from_utf8_lossy(&file[at + 46..at + 46 + u16(at + 28)]).into_owned();
        let local = u32(at + 42);
        let data = local + 30 + u16(local + 26) + u16(local + 28);
        members.insert(name, file[data..data + u32(at + 24)].to_vec());
        at += 46 + u16(at + 28) + u16(at + 30) + u16(at + 32);
    }
    Ok(members)
}

/// A JSON value; numbers and literals stay text.
#[derive(Debug, PartialEq)]
enum Json {
    Text(String),
    List(Vec<Json>),
    Table(HashMap<String, Json>),
    Other(String),
}

impl Json {
    /// Read a value from the front of a text that a cellport wrote.
    fn read(text: &mut &str) -> Json {
        let Some(first) = Json::next(text) else {
            return Json::Other(String::new());
        };
        match first {
            '"' => Json::Text(Json::string(text)),
            '[' => Json::List(std::iter::from_fn(|| Json::item(text, ']')).collect()),
            '{' => {
                let pairs = std::iter::from_fn(|| match Json::item(text, '}')? {
                    Json::Text(name) => Json::next(text).map(|_| (name, Json::read(text))),
                    _ => None,
                });
                Json::Table(pairs.collect())
            }
            _ => {
                let end = text.find([',', ']', '}']).unwrap_or(text.len());
                let other = format!("{first}{}", text[..end].trim_end());
                *text = &text[end..];
                Json::Other(other)
            }
        }
    }

    fn next(text: &mut &str) -> Option<char> {
        *text = text.trim_start();
        let first = text.chars().next()?;
        *text = &text[first.len_utf8()..];
        Some(first)
    }

    fn item(text: &mut &str, end: char) -> Option<Json> {
        *text = text.trim_start().trim_start_matches(',').trim_start();
        if text.starts_with(end) || text.is_empty() {
            Json::next(text);
            return None;
        }
        Some(Json::read(text))
    }

    fn string(text: &mut &str) -> String {
        let mut units: Vec<u16> = Vec::new();
        let mut chars = text.char_indices();
        while let Some((at, one)) = chars.next() {
            let escaped = if one == '\\' {
                chars.next().map(|(_, kind)| kind)
            } else {
                None
            };
            let plain = match (one, escaped) {
                ('"', _) => {
                    *text = &text[at + 1..];
                    break;
                }
                (_, Some('u')) => {
                    let hex: String = chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                    units.push(u16::from_str_radix(&hex, 16).unwrap_or(0xfffd));
                    continue;
                }
                (_, Some('n')) => '\n',
                (_, Some('t')) => '\t',
                (_, Some(kind)) => kind,
                _ => one,
            };
            units.extend(plain.encode_utf16(&mut [0; 2]).iter());
        }
        String::from_utf16_lossy(&units)
    }

    fn get(&self, name: &str) -> &Json {
        const NONE: &Json = &Json::Other(String::new());
        if let Json::Table(fields) = self {
            fields.get(name).unwrap_or(NONE)
        } else {
            NONE
        }
    }

    fn text(&self) -> &str {
        if let Json::Text(text) | Json::Other(text) = self {
            text
        } else {
            ""
        }
    }

    fn texts(&self) -> Vec<&str> {
        if let Json::List(items) = self {
            items.iter().map(Json::text).collect()
        } else {
            vec![]
        }
    }
}

fn read_manifest(members: &HashMap<String, Vec<u8>>) -> Result<Json> {
    let text = String::from_utf8_lossy(members.get("manifest.json").ok_or("No manifest.")?);
    let manifest = Json::read(&mut text.as_ref());
    let encoder = members.get("encoder.onnx").ok_or("No encoder.")?;
    let needs = matches!(manifest.get("requires"), Json::Table(fields)
        if fields.keys().any(|name| !NO_LABEL_DEPENDS.contains(&name.as_str())));
    let refusals = [
        (
            manifest.get("format_version").text() != "1",
            "Only format 1 is read.",
        ),
        (needs, "The atlas uses what this reader does not know."),
        (
            manifest.get("input").get("library").text() != "panel",
            "Counts beyond the panel are needed.",
        ),
        (
            manifest.get("labels").texts().is_empty(),
            "The atlas has no labels.",
        ),
        (
            manifest
                .get("members")
                .get("encoder.onnx")
                .get("sha256")
                .text()
                != sha256(encoder),
            "encoder.onnx is damaged.",
        ),
    ];
    match refusals.iter().find(|(wrong, _)| *wrong) {
        Some((_, sentence)) => Err(sentence.to_string()),
        None => Ok(manifest),
    }
}

/// Lines of a text file of a folder, plain or gzipped.
fn lines_of(folder: &str, names: &[&str]) -> Result<Vec<String>> {
    for name in names {
        let (plain, packed) = (format!("{folder}/{name}"), format!("{folder}/{name}.gz"));
        let bytes = if Path::new(&plain).exists() {
            fs::read(&plain).map_err(|error| format!("{plain}: {error}"))?
        } else if Path::new(&packed).exists() {
            let unpacked = process::Command::new("gzip")
                .args(["-dc", &packed])
                .output();
            unpacked.map_err(|error| format!("gzip: {error}"))?.stdout
        } else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        return Ok(text
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_string)
            .collect());
    }
    Err(format!("{folder} holds no {}.", names[0]))
}

/// Position in the panel of each of the query's genes, None for others: by names, or by ids.
fn match_genes(panel: &Json, features: &[String]) -> Vec<Option<usize>> {
    let (ids, symbols) = (panel.get("ensembl").texts(), panel.get("symbols").texts());
    let both = [ids, symbols];
    let named = both.iter().flat_map(|names| names.iter().enumerate());
    let position: HashMap<&str, usize> = named
        .filter(|(_, name)| !name.is_empty())
        .map(|(gene, name)| (*name, gene))
        .collect();
    let by = |column: usize| -> Vec<Option<usize>> {
        let found = features
            .iter()
            .map(|line| position.get(line.split('\t').nth(column)?).copied());
        found.collect()
    };
    let distinct = |found: &[Option<usize>]| found.iter().flatten().collect::<HashSet<_>>().len();
    let (by_name, by_id) = (by(1), by(0));
    if distinct(&by_id) > distinct(&by_name) {
        by_id
    } else {
        by_name
    }
}

/// ONNX Runtime by its C interface: a table of functions, to which later versions only add.
///
/// The order is that of `struct OrtApi` in its `onnxruntime_c_api.h`.
struct Encoder {
    api: *const *const c_void,
    session: *mut c_void,
    memory: *mut c_void,
}

const GET_ERROR_MESSAGE: usize = 2;
const CREATE_ENV: usize = 3;
const CREATE_SESSION_FROM_ARRAY: usize = 8;
const RUN: usize = 9;
const CREATE_SESSION_OPTIONS: usize = 10;
const CREATE_TENSOR: usize = 49; // CreateTensorWithDataAsOrtValue
const GET_TENSOR_DATA: usize = 51; // GetTensorMutableData
const CREATE_CPU_MEMORY_INFO: usize = 69;
const RELEASE_VALUE: usize = 96;
const ORT_API_VERSION: u32 = 20;
const FLOAT: c_int = 1; // ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT

extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *const c_void;
}

/// Call a function of the table; a status that is not null is an error with a message.
macro_rules! ort {
    ($api:expr, $at:expr, $($kind:ty: $value:expr),*) => {{
        let call: extern "C" fn($($kind),*) -> *mut c_void = std::mem::transmute(*$api.add($at));
        let status = call($($value),*);
        if status.is_null() { Ok(()) } else {
            let tell: extern "C" fn(*mut c_void) -> *const c_char =
                std::mem::transmute(*$api.add(GET_ERROR_MESSAGE));
            Err(CStr::from_ptr(tell(status)).to_string_lossy().into_owned())
        }
    }};
}

type Pointer = *mut c_void;
type Out = *mut *mut c_void;

impl Encoder {
    fn open(library: &str, graph: &[u8]) -> Result<Encoder> {
        let name = CString::new(library).map_err(|error| error.to_string())?;
        let (mut env, mut options): (Pointer, Pointer) = (ptr::null_mut(), ptr::null_mut());
        let (mut session, mut memory): (Pointer, Pointer) = (ptr::null_mut(), ptr::null_mut());
        // as the C interface asks: pointers that it made, and bytes that live during the call
        unsafe {
            let opened = dlopen(name.as_ptr(), 2); // RTLD_NOW
            let base = if opened.is_null() {
                ptr::null()
            } else {
                dlsym(opened, c"OrtGetApiBase".as_ptr())
            };
            if base.is_null() {
                return Err(format!("{library} is no ONNX Runtime."));
            }
            let base: extern "C" fn() -> *const extern "C" fn(u32) -> *const *const c_void =
                std::mem::transmute(base);
            let api = (*base())(ORT_API_VERSION);
            if api.is_null() {
                return Err(format!("{library} is older than 1.{ORT_API_VERSION}."));
            }
            ort!(api, CREATE_ENV, c_int: 3, *const c_char: c"cellport".as_ptr(), Out: &mut env)?;
            ort!(api, CREATE_SESSION_OPTIONS, Out: &mut options)?;
            ort!(api, CREATE_SESSION_FROM_ARRAY, Pointer: env, *const u8: graph.as_ptr(),
                 usize: graph.len(), Pointer: options, Out: &mut session)?;
            ort!(api, CREATE_CPU_MEMORY_INFO, c_int: 0, c_int: 0, Out: &mut memory)?;
            Ok(Encoder {
                api,
                session,
                memory,
            })
        }
    }

    /// Probability of each label of each cell, from counts [cells, genes].
    fn label_prob(&self, counts: &mut [f32], cells: usize, labels: usize) -> Result<Vec<f32>> {
        let shape = [cells as i64, (counts.len() / cells) as i64];
        let (mut input, mut output): (Pointer, Pointer) = (ptr::null_mut(), ptr::null_mut());
        let mut values: Pointer = ptr::null_mut();
        let names = [c"counts".as_ptr(), c"label_prob".as_ptr()];
        // the counts outlive the tensor made of them, and the answers are copied before release
        unsafe {
            ort!(self.api, CREATE_TENSOR, Pointer: self.memory, *mut f32: counts.as_mut_ptr(),
                 usize: counts.len() * 4, *const i64: shape.as_ptr(), usize: 2, c_int: FLOAT,
                 Out: &mut input)?;
            ort!(self.api, RUN, Pointer: self.session, Pointer: ptr::null_mut(),
                 *const *const c_char: &names[0], *const Pointer: &input, usize: 1,
                 *const *const c_char: &names[1], usize: 1, Out: &mut output)?;
            ort!(self.api, GET_TENSOR_DATA, Pointer: output, Out: &mut values)?;
            let found = std::slice::from_raw_parts(values as *const f32, cells * labels).to_vec();
            let release: extern "C" fn(Pointer) = std::mem::transmute(*self.api.add(RELEASE_VALUE));
            release(input);
            release(output);
            Ok(found)
        }
    }
}

/// Counts of each cell of a 10x folder, as pairs of a panel gene and a count.
fn read_cells(
    folder: &str,
    column: &[Option<usize>],
    cells: usize,
) -> Result<Vec<Vec<(usize, f32)>>> {
    let mut found = vec![Vec::new(); cells];
    let text = lines_of(folder, &["matrix.mtx"])?;
    for line in text.iter().filter(|line| !line.starts_with('%')).skip(1) {
        let entry: Vec<&str> = line.split_whitespace().collect();
        let at = |field: usize| entry.get(field).and_then(|text| text.parse::<usize>().ok());
        let (Some(gene), Some(cell)) = (at(0), at(1)) else {
            return Err(format!("{line}?"));
        };
        let count = entry
            .get(2)
            .and_then(|text| text.parse::<f32>().ok())
            .ok_or("No count.")?;
        if let Some(Some(gene)) = column.get(gene.wrapping_sub(1)) {
            found
                .get_mut(cell.wrapping_sub(1))
                .ok_or("Too few barcodes.")?
                .push((*gene, count));
        }
    }
    Ok(found)
}

fn run(library: &str, atlas: &str, folder: &str) -> Result<()> {
    let members = open_sealed(atlas)?;
    let manifest = read_manifest(&members)?;
    let (panel, labels) = (manifest.get("panel"), manifest.get("labels").texts());
    let n_genes = panel.get("symbols").texts().len();
    let column = match_genes(panel, &lines_of(folder, &["features.tsv", "genes.tsv"])?);
    let barcodes = lines_of(folder, &["barcodes.tsv"])?;
    let cells = read_cells(folder, &column, barcodes.len())?;
    let measured: HashSet<usize> = column.iter().flatten().copied().collect();
    let nothing: Vec<f32> = (0..n_genes)
        .map(|gene| {
            if measured.contains(&gene) {
                0.0
            } else {
                f32::NAN
            }
        })
        .collect();
    let encoder = Encoder::open(library, &members["encoder.onnx"])?;
    for (some, names) in cells
        .chunks(CELLS_AT_A_TIME)
        .zip(barcodes.chunks(CELLS_AT_A_TIME))
    {
        let mut counts = nothing.repeat(some.len());
        for (cell, entries) in some.iter().enumerate() {
            entries
                .iter()
                .for_each(|(gene, count)| counts[cell * n_genes + gene] += count);
        }
        let prob = encoder.label_prob(&mut counts, some.len(), labels.len())?;
        for ((row, entries), name) in prob.chunks(labels.len()).zip(some).zip(names) {
            let best =
                (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
            let known = entries.iter().any(|(_, count)| *count > 0.0);
            println!("{name}\t{}", if known { labels[best] } else { "unknown" });
        }
    }
    Ok(())
}

fn main() {
    let given: Vec<String> = env::args().skip(1).collect();
    let done = match &given[..] {
        [library, atlas, folder] => run(library, atlas, folder),
        _ => Err("usage: read_atlas libonnxruntime.so ATLAS.cellport 10X_FOLDER".to_string()),
    };
    if let Err(sentence) = done {
        eprintln!("{sentence}");
        process::exit(1);
    }
}
