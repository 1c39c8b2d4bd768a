import CLMDB
import Timing

/// Text in LMDB, set up as in peers.c, read into a String.
enum LMDBString {
    static var peer: peer {
        Timing.peer(
            name: ("lmdb-string" as StaticString).cString,
            create: { job in
                guard let job else { return }
                let opened = Opened(job.pointee)
                opened.put()
                opened.close()
            },
            open: { job in job.map { UnsafeMutableRawPointer(Unmanaged.passRetained(Opened($0.pointee)).toOpaque()) } },
            close: { object in object.map { Unmanaged<Opened>.fromOpaque($0).takeRetainedValue().close() } },
            read: { object, count in
                let opened = Opened.from(object)
                var sum: UInt = 0
                for _ in 0..<count { sum &+= UInt(opened.string().utf8.count) }
                return sum
            },
            write: { object, count in
                let opened = Opened.from(object)
                for _ in 0..<count { opened.put() }
            })
    }

    private final class Opened {
        let environment: OpaquePointer
        let reader: OpaquePointer
        let database: MDB_dbi
        let key = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
        let text: UnsafeMutablePointer<CChar>
        let length: Int

        init(_ job: job) {
            var environment: OpaquePointer?
            check(mdb_env_create(&environment))
            check(mdb_env_set_mapsize(environment, 256 << 20 + 8 * job.length))
            let flags = MDB_NOSYNC | MDB_WRITEMAP | MDB_NOTLS | MDB_NOMEMINIT
            check(mdb_env_open(environment, job.directory, UInt32(flags), 0o600))
            var transaction: OpaquePointer?
            var database = MDB_dbi()
            check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction))
            check(mdb_dbi_open(transaction, nil, 0, &database))
            check(mdb_txn_commit(transaction))
            check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction))
            mdb_txn_reset(transaction)
            guard let environment, let transaction else { fatalError("LMDB returned no environment or transaction") }
            self.environment = environment
            self.reader = transaction
            self.database = database
            text = job.text
            length = job.length
            key.copyBytes(from: "text".utf8)
        }

        static func from(_ object: UnsafeMutableRawPointer?) -> Opened {
            guard let object else { fatalError("nothing was opened") }
            return Unmanaged<Opened>.fromOpaque(object).takeUnretainedValue()
        }

        func string() -> String {
            check(mdb_txn_renew(reader))
            defer { mdb_txn_reset(reader) }
            var key = MDB_val(mv_size: key.count, mv_data: key.baseAddress)
            var value = MDB_val()
            check(mdb_get(reader, database, &key, &value))
            return String(decoding: UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size), as: UTF8.self)
        }

        func put() {
            var transaction: OpaquePointer?
            var key = MDB_val(mv_size: key.count, mv_data: key.baseAddress)
            var value = MDB_val(mv_size: length, mv_data: text)
            check(mdb_txn_begin(environment, nil, 0, &transaction))
            check(mdb_put(transaction, database, &key, &value, 0))
            check(mdb_txn_commit(transaction))
        }

        func close() {
            mdb_txn_abort(reader)
            mdb_env_close(environment)
            key.deallocate()
        }
    }
}

private func check(_ result: CInt) {
    if result != 0 { fatalError(String(cString: mdb_strerror(result))) }
}
