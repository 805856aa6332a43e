use super::*;

#[test]
fn too_few_files_are_refused_with_the_number_that_would_do() {
    let refused = enough_files(Some(256), 4, 8).unwrap_err().to_string();
    assert!(
        refused.contains("256") && refused.contains("12 nodes"),
        "{refused}"
    );
    let number = refused.split("ulimit -n ").nth(1).unwrap();
    let number: u64 = number.split('`').next().unwrap().parse().unwrap();
    enough_files(Some(number), 4, 8).unwrap();
    enough_files(None, 100, 100).unwrap();
    let one = enough_files(Some(10), 0, 1).unwrap_err().to_string();
    assert!(one.contains("one node in it"), "{one}");
}

#[test]
fn room_is_found_for_directories_that_do_not_exist_yet() {
    let temp = tempfile::tempdir().unwrap();
    let here = room(temp.path()).unwrap();
    let deep = room(&temp.path().join("a/b/c")).unwrap();
    assert!(here > 0 && deep > 0);
    assert!(room(Path::new("not/there")).unwrap() > 0);
}

#[test]
fn a_port_in_use_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = tcp("http", address).unwrap_err().to_string();
    assert!(
        refused.contains("`http`") && refused.contains("choose another port"),
        "{refused}"
    );
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let refused = udp("listen", taken.local_addr().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("udp"), "{refused}");
    drop(taken);
}

#[test]
fn an_address_of_another_machine_is_named_as_one() {
    let foreign: SocketAddr = "192.0.2.1:7100".parse().unwrap();
    let refused = udp("listen", foreign).unwrap_err().to_string();
    assert!(
        refused.contains("no address 192.0.2.1") && refused.contains("0.0.0.0"),
        "{refused}"
    );
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    let text = advice("0.0.0.0:80".parse().unwrap(), &denied);
    assert!(text.contains("below 1024"), "{text}");
}
