// Plain JavaScript of any Node from 18 on: it must still run where the program itself cannot.
const needed = [24, 15]
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  console.error(
    `This runs on Node ${process.versions.node}, but needs Node ${needed.join('.')} or newer, which the installation brings along: run \`pnpm rebuild node\`, then try again.`,
  )
  process.exit(1)
}
