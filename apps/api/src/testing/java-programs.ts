/** The servers in Java that stand in for AWS in tests and benchmarks. */
import { join } from 'node:path'
import type { JavaProgram } from './java-server.ts'

const ELASTICMQ_VERSION = '1.7.1'

/** An SQS, in memory. */
export const ELASTICMQ: JavaProgram = {
  name: 'ElasticMQ',
  folder: `elasticmq-${ELASTICMQ_VERSION}`,
  folderVariable: 'ELASTICMQ_CACHE',
  pom: `<dependencies><dependency><groupId>org.elasticmq</groupId><artifactId>elasticmq-server_2.13</artifactId><version>${ELASTICMQ_VERSION}</version></dependency></dependencies>`,
  run: (port, jars) => [...elasticmqOptions(port), '-cp', join(jars, '*'), 'org.elasticmq.server.Main'],
}

/** Limits as SQS has them. One that is short of memory and of time for its own compiler starts sooner, and leaves more to the tests. */
function elasticmqOptions(port: number): string[] {
  const settings = {
    'node-address.protocol': 'http',
    'node-address.host': '127.0.0.1',
    'node-address.port': port,
    'rest-sqs.bind-hostname': '127.0.0.1',
    'rest-sqs.bind-port': port,
    'rest-sqs.sqs-limits': 'strict',
    'rest-stats.enabled': false,
  }
  const jvm = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.net.preferIPv4Stack=true']
  return [...jvm, ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`)]
}

const DYNAMODB_VERSION = '3.3.1'
/** Its POM asks for modules of the AWS SDK in a version that Maven Central lacks, and its main class loads them. */
const SDK_VERSION = '2.33.0'
const SDK_MODULES = ['cognitoidentity', 'cognitoidentityprovider', 'pinpoint', 'dynamodb-enhanced']

const dependency = (group: string, artifact: string, version: string) =>
  `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`

/** A DynamoDB, in memory. It checks no signature, and answers an index at once. */
export const DYNAMODB_LOCAL: JavaProgram = {
  name: 'DynamoDB Local',
  folder: `dynamodb-local-${DYNAMODB_VERSION}`,
  folderVariable: 'DYNAMODB_LOCAL_CACHE',
  pom: [
    '<dependencyManagement><dependencies>',
    ...SDK_MODULES.map((module) => dependency('software.amazon.awssdk', module, SDK_VERSION)),
    '</dependencies></dependencyManagement><dependencies>',
    dependency('software.amazon.dynamodb', 'DynamoDBLocal', DYNAMODB_VERSION),
    '</dependencies>',
  ].join(''),
  run: (port, jars) => [
    ...['-Xmx1g', '-XX:+UseSerialGC', `-Djava.library.path=${jars}`, '-cp', join(jars, '*')],
    ...['software.amazon.dynamodb.services.local.main.ServerRunner', '-port', String(port), '-sharedDb', '-disableTelemetry', '-inMemory'],
  ],
}
