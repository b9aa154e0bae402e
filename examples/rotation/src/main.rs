//! Runs the mesh under load while a key rotates each second, and says what that cost.
//!
//! ```text
//! cargo run -p modelmesh-example-rotation [SECONDS]
//! ```

#![allow(clippy::print_stdout, reason = "the program's output is its purpose")]

use std::{sync::Arc, time::Duration};

use modelmesh_example_rotation::{
    load::Load,
    mesh::{Failure, Mesh},
    upstream::{Credentials, Upstream},
    vault::{self, Vault},
};
use modelmesh_secrets::{SecretManagement, SecretName, config::Configuration, document::Format};
use modelmesh_stores::memory::MemoryStore;

const USERS: usize = 4;
/// How long after the store was written the provider takes the new key, and the old one no more.
const A_MOMENT: Duration = Duration::from_millis(50);

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let seconds: u32 = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;

    // The world around the mesh: two providers, and a store that others write.
    let openai = Upstream::start(Credentials::key("sk-0")).await?;
    let anthropic = Upstream::start(Credentials::key("sk-ant")).await?;
    let name = SecretName::new("openai-key")?;
    let secrets = MemoryStore::new([
        (name.clone(), "sk-0".into()),
        (SecretName::new("anthropic-key")?, "sk-ant".into()),
    ]);
    let vault = Vault::over(secrets.clone());

    // The mesh. It talks to the providers that we have here, not to the real ones.
    let text = include_str!("../modelmesh.yaml")
        .replace("https://api.openai.com", &openai.url())
        .replace("https://api.anthropic.com", &anthropic.url());
    let configuration =
        Configuration::parse("modelmesh.yaml", ".".into(), &text, Format::Yaml, &[vault::SPEC])?;
    let resolver = vault.live_configuration(configuration).start().await?;
    let load = Load::start(&Arc::new(Mesh::new(resolver)), USERS);

    for rotation in 1..=seconds {
        let (reads, refused) = (vault.reads(), openai.total().refused);
        let key = format!("sk-{rotation}");
        secrets.set(&name, &key.as_str().into()).await?;
        tokio::time::sleep(A_MOMENT).await;
        openai.switch(Credentials::key(key));
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(A_MOMENT)).await;
        let (reads, refused) = (vault.reads() - reads, openai.total().refused - refused);
        println!("rotation {rotation:>2}: {refused} refused, {reads} store call(s)");
    }

    let summary = load.stop().await;
    println!();
    println!("requests         {}", summary.calls());
    println!("failed           {}", summary.failed.len());
    println!("rotations        {seconds}");
    println!("store calls      {}, one of them at the start", vault.reads());
    println!("refusals         {}, each answered at the second try", openai.total().refused);
    println!("slowest request  {:.1?}", summary.slowest);
    Ok(())
}
