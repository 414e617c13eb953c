// A bittorrent-dht node on a free port of 127.0.0.1, which it prints. Argument: the folder with node_modules.
const { createRequire } = require('module')
const DHT = createRequire(`${process.argv[2]}/`)('bittorrent-dht')

const dht = new DHT({ bootstrap: false, maxTables: 2000000, maxAge: 3600000 })
dht.listen(0, '127.0.0.1', () => console.log(dht.address().port))
