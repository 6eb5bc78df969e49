// Builds dist/app.js and dist/app.css. The same sources give the same bytes:
// no hashes, no times, no source maps.
import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));

await build({
  absWorkingDir: root,
  entryPoints: { app: "src/main.tsx" },
  outdir: "dist",
  bundle: true,
  minify: true,
  // A classic script: a report opened as a file cannot load modules.
  format: "iife",
  target: ["es2022"],
  charset: "utf8",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
});

// The licences of what is bundled stay with the bundle. Preact's sources carry no
// licence comment, so both are taken from the packages' own files.
const notice = await licences(["preact", "uplot"]);
await append("dist/app.js", notice);
await append("dist/app.css", notice);

async function licences(names) {
  const parts = [];
  for (const name of names) {
    const { version } = JSON.parse(await read(`node_modules/${name}/package.json`));
    const text = (await read(`node_modules/${name}/LICENSE`)).trim().replaceAll("\r\n", "\n");
    parts.push(`${name} ${version}\n\n${text}`);
  }
  return `/*!\n${parts.join("\n\n---\n\n")}\n*/\n`;
}

async function append(path, notice) {
  const built = (await read(path)).trimEnd();
  // A report has both inline: nothing in them may close or open an element.
  for (const mark of ["</script", "</style", "<!--"]) {
    if (built.toLowerCase().includes(mark)) throw new Error(`${path} contains ${mark}`);
  }
  const whole = `${built}\n${notice}`;
  await writeFile(new URL(path, import.meta.url), whole);
  console.log(`${path}: ${(Buffer.byteLength(whole) / 1024).toFixed(1)} KB`);
}

function read(path) {
  return readFile(new URL(path, import.meta.url), "utf8");
}
