//! Who serves: pxego, nginx, and a loop of sendfile(2) without any protocol.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::files::{self, Files};
use super::netns::{Netns, Running, thread_cpu_time, wait_until};

/// A server, and where it listens.
pub(crate) struct Server {
    process: Running,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn pxego(netns: &Netns, files: &Files) -> Self {
        let state = files.image.with_file_name("state");
        let mut command = netns.command(env!("CARGO_BIN_EXE_pxego"));
        command.args(["--iface", "eth0", "--log", "json", "--iso"]).arg(&files.image);
        command.arg("--state").arg(&state);
        let mut process = Running(
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap(),
        );
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().map_while(Result::ok).any(|line| line.contains("\"ready\"")), "pxego starts");
        // Its events are read as a terminal would.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address: ([192, 168, 100, 1], 80).into() }
    }

    /// As Debian installs it, but with no access log, and as many workers as cores.
    pub(crate) fn nginx(netns: &Netns, files: &Files) -> Self {
        let folder = files.image.with_file_name("nginx");
        fs::create_dir_all(&folder).unwrap();
        let configuration = folder.join("nginx.conf");
        let text = format!(
            "daemon off; worker_processes auto; pid {folder}/pid; error_log {folder}/error.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ sendfile on; tcp_nopush on; access_log off; keepalive_requests 100000000;\n\
               client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};\n\
               uwsgi_temp_path {folder}; scgi_temp_path {folder};\n\
               types {{}} default_type application/octet-stream;\n\
               server {{ listen 8080; root {tree}; }} }}\n",
            folder = folder.display(),
            tree = files.tree.display(),
        );
        fs::write(&configuration, text).unwrap();
        // The unpacked tree is read by another user.
        let process = netns.start("nginx", &["-g", "user root;", "-c", configuration.to_str().unwrap()]);
        let address = SocketAddr::from(([192, 168, 100, 1], 8080));
        netns.run(|| wait_until("nginx listens", || std::net::TcpStream::connect(address).is_ok()));
        Self { process, address }
    }

    /// CPU time that it and its children have used, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        let pid = self.process.0.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let all = children.split_whitespace().map(|it| it.parse().unwrap()).chain([pid]);
        all.map(cpu_of).sum()
    }

    /// The most memory it had, in MB.
    pub(crate) fn peak_memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() * 1024.0 / 1e6
    }
}

impl Drop for Server {
    /// nginx ends its workers when it is asked to.
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.process.0.id().to_string()]).status();
        let _ = self.process.0.wait();
    }
}

/// Nanoseconds on a CPU of each thread (`/proc/PID/task/*/schedstat`): clock ticks are too coarse.
fn cpu_of(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = |task: fs::DirEntry| -> Option<u64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(nanoseconds).sum::<u64>() as f64 / 1e9
}

/// The limit: whoever connects gets the large file, from the same place of the image.
pub(crate) struct Bare {
    pub(crate) address: SocketAddr,
    nanoseconds: Arc<AtomicU64>,
}

impl Bare {
    /// Serves until the process ends, a thread for each connection.
    pub(crate) fn start(netns: &Netns, image: &Path) -> Self {
        let listener = netns.run(|| TcpListener::bind(("192.168.100.1", 9000)).unwrap());
        let address = listener.local_addr().unwrap();
        let nanoseconds = Arc::new(AtomicU64::new(0));
        let counter = nanoseconds.clone();
        let offset = find_large(image);
        let image = Arc::new(File::open(image).unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (image, counter) = (image.clone(), counter.clone());
                std::thread::spawn(move || {
                    let mut at = offset as i64;
                    let end = at + files::LARGE as i64;
                    while at < end {
                        let count = ((end - at) as usize).min(1 << 20);
                        // SAFETY: both descriptors are open, and `at` outlives the call.
                        let sent = unsafe {
                            libc::sendfile64(stream.as_raw_fd(), image.as_raw_fd(), &mut at, count)
                        };
                        if sent <= 0 {
                            break;
                        }
                    }
                    drop(stream);
                    counter.fetch_add(thread_cpu_time().as_nanos() as u64, Ordering::SeqCst);
                });
            }
        });
        Self { address, nanoseconds }
    }

    pub(crate) fn cpu(&self) -> f64 {
        self.nanoseconds.load(Ordering::SeqCst) as f64 / 1e9
    }
}

/// The limit with small files: whoever asks gets an answer that lies ready in memory, from one of two threads.
pub(crate) fn start_bare_small(netns: &Netns, tree: &Path) -> SocketAddr {
    let listener = netns.run(|| TcpListener::bind(("192.168.100.1", 9001)).unwrap());
    let address = listener.local_addr().unwrap();
    let answers: Vec<Vec<u8>> = (1..=files::SMALL)
        .map(|file| {
            let body = fs::read(tree.join(files::FOLDER).join(files::name(file))).unwrap();
            // As long as that of the others.
            let pad = "x".repeat(150);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nPad: {pad}\r\n\r\n", body.len());
            [head.into_bytes(), body].concat()
        })
        .collect();
    let answers = Arc::new(answers);
    // SAFETY: no pointers.
    let polls = [(), ()].map(|()| unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) });
    for poll in polls {
        let answers = answers.clone();
        std::thread::spawn(move || answer_ready(poll, &answers));
    }
    std::thread::spawn(move || {
        for (stream, poll) in listener.incoming().map_while(Result::ok).zip(polls.into_iter().cycle()) {
            stream.set_nodelay(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            let descriptor = stream.into_raw_fd();
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: descriptor as u64 };
            // SAFETY: both descriptors are open; the kernel reads one initialised `epoll_event`.
            unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_ADD, descriptor, &mut event) };
        }
    });
    address
}

/// Answers who is ready, for as long as the process lives.
fn answer_ready(poll: i32, answers: &[Vec<u8>]) {
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
    let mut request = [0_u8; 1024];
    let number_at = "GET /".len() + files::FOLDER.len() + "/small-".len();
    loop {
        // SAFETY: room for as many events as are asked for.
        let count = unsafe { libc::epoll_wait(poll, events.as_mut_ptr(), 64, -1) };
        for event in &events[..count.max(0) as usize] {
            let descriptor = event.u64 as i32;
            // SAFETY: the kernel writes at most as many bytes as there are.
            let len = unsafe { libc::recv(descriptor, request.as_mut_ptr().cast(), request.len(), 0) };
            if len <= 0 {
                // SAFETY: this thread is the only one that knows it.
                unsafe { libc::close(descriptor) };
                continue;
            }
            let number = std::str::from_utf8(&request[number_at..number_at + 4]).unwrap();
            let answer = &answers[number.parse::<usize>().unwrap() - 1];
            // SAFETY: the kernel reads as many bytes as there are. They are fewer than a socket takes at once.
            let sent = unsafe { libc::send(descriptor, answer.as_ptr().cast(), answer.len(), 0) };
            assert_eq!(sent, answer.len() as isize);
        }
    }
}

/// Where the large file is in the image: files begin at a sector.
fn find_large(image: &Path) -> u64 {
    let file = File::open(image).unwrap();
    let mut buffer = [0; 64];
    (0..)
        .map(|sector| sector * 2048)
        .take_while(|at| file.read_exact_at(&mut buffer, *at).is_ok())
        .collect::<Vec<u64>>()
        .into_iter()
        .find(|at| {
            let mut buffer = [0; 64];
            file.read_exact_at(&mut buffer, *at).is_ok() && files::is_right(0, 0, &buffer)
        })
        .expect("the large file is on the image")
}
