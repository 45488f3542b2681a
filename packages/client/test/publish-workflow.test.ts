import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readManifest } from './publishing/consumers.ts'
import { REPOSITORY, temporaryFolder } from './publishing/packed.ts'

const WORKFLOW = readFileSync(join(REPOSITORY, '.github/workflows/release.yml'), 'utf8')

describe('the packages of this repository', () => {
  it('are private, but for the client', () => {
    const manifests = globSync('{.,apps/*,packages/*,sdks/*,docs/*}/package.json', { cwd: REPOSITORY }).map((path) =>
      readManifest(join(REPOSITORY, path, '..')),
    )
    expect(manifests.length).toBeGreaterThan(5)
    expect(manifests.filter((manifest) => manifest.private !== true).map(({ name }) => name)).toEqual(['@triggers/client'])
  })
})

describe('the release workflow', () => {
  /** The text of each job, by its name. */
  const jobs = new Map(
    WORKFLOW.slice(WORKFLOW.indexOf('\njobs:\n'))
      .split(/^ {2}(?=\w+:$)/m)
      .slice(1)
      .map((text) => [text.slice(0, text.indexOf(':')), text]),
  )

  it('may write nothing where it runs tests and install scripts', () => {
    expect(WORKFLOW).toMatch(/^permissions: \{\}$/m)
    expect(jobs.get('build')).toMatch(/pnpm test\n/)
    expect(jobs.get('build')).not.toContain('write')
    for (const [name, text] of jobs) {
      if (name !== 'build') expect(text, name).not.toMatch(/pnpm install (?!.*--ignore-scripts)|pnpm (exec|run|test)/)
    }
  })

  it('publishes in one job alone, after the tests', () => {
    expect([...jobs.keys()]).toEqual(['build', 'version', 'client', 'go'])
    for (const [name, text] of jobs) {
      expect(text.includes('id-token: write'), name).toBe(name === 'client')
      expect(text.includes('changesets/action/publish@'), name).toBe(name === 'client')
      if (name !== 'build') expect(text).toMatch(/^ {4}needs: build$/m)
    }
  })

  it('pins each action to a major version', () => {
    const actions = [...WORKFLOW.matchAll(/uses: (\S+)/g)].map(([, action]) => action)
    expect(actions.length).toBeGreaterThan(5)
    for (const action of actions) expect(action).toMatch(/^[\w/-]+@v\d+$/)
  })
})

describe('the tag of the Go module', () => {
  const SCRIPT = '.github/scripts/tag-go-module.sh'
  const [, version = ''] = /^const Version = "(.*)"$/m.exec(readFileSync(join(REPOSITORY, 'sdks/go/client.go'), 'utf8')) ?? []

  /** A clone of what the script reads, whose `origin` is a repository on this disk. */
  function makeClone() {
    const origin = temporaryFolder()
    const clone = temporaryFolder()
    const git = (...words: string[]) =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...words], {
        cwd: clone,
        encoding: 'utf8',
        stdio: 'pipe',
      })
    execFileSync('git', ['init', '--quiet', '--bare', origin])
    git('init', '--quiet', '--initial-branch=main')
    git('remote', 'add', 'origin', origin)
    for (const path of [SCRIPT, 'sdks/go/client.go', 'sdks/go/CHANGELOG.md']) {
      mkdirSync(join(clone, path, '..'), { recursive: true })
      cpSync(join(REPOSITORY, path), join(clone, path))
    }
    const commit = () => {
      git('add', '.')
      git('commit', '--quiet', '--message=a')
      return git('rev-parse', 'HEAD').trim()
    }
    const tags = () =>
      Object.fromEntries(
        git('ls-remote', '--tags', 'origin')
          .trimEnd()
          .split('\n')
          .map((line) => line.split('\trefs/tags/').reverse()),
      )
    return { clone, commit, tags, run: () => spawnSync(join(clone, SCRIPT), { encoding: 'utf8' }) }
  }

  it('is made when its version has none, and never moved', () => {
    const { clone, commit, tags, run } = makeClone()
    const first = commit()
    expect(run()).toMatchObject({ status: 0 })
    expect(tags()).toEqual({ [`sdks/go/v${version}`]: first })

    writeFileSync(join(clone, 'other'), '')
    expect(commit()).not.toBe(first)
    expect(run()).toMatchObject({ status: 0, stdout: `sdks/go/v${version} is there already.\n` })
    expect(tags()).toEqual({ [`sdks/go/v${version}`]: first })

    const path = join(clone, 'sdks/go/client.go')
    writeFileSync(path, readFileSync(path, 'utf8').replace(`const Version = "${version}"`, 'const Version = "90.1.2"'))
    writeFileSync(join(clone, 'sdks/go/CHANGELOG.md'), '# Changes\n\n## 90.1.2\n\n- One.\n')
    const second = commit()
    expect(run()).toMatchObject({ status: 0 })
    expect(tags()).toEqual({ [`sdks/go/v${version}`]: first, 'sdks/go/v90.1.2': second })
  })

  it('is not made of a version that the changelog does not tell of', () => {
    const { clone, commit, run } = makeClone()
    writeFileSync(join(clone, 'sdks/go/CHANGELOG.md'), '# Changes\n\n## 90.1.2\n')
    commit()
    expect(run()).toMatchObject({ status: 1, stderr: `sdks/go/CHANGELOG.md does not tell what is in ${version}.\n` })
  })
})
