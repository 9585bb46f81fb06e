//! Writes what each target is shown first to `corpus/TARGET`.

fn main() -> std::io::Result<()> {
    for (name, _) in artif_core::fuzzing::TARGETS {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        std::fs::create_dir_all(&folder)?;
        let seeds = artif_core::fuzzing::seeds(name);
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
        println!("{name}: {} seeds", seeds.len());
    }
    Ok(())
}
