"""Gold sentences for names of people, places and organisations, which nothing was tuned on.

Invented sentences of customer service, finance, medicine and law. Some hold names that were written here, some have a
slot that Faker fills, and a third hold none but the words that are taken for names most often. `{p|张伟}` is a
person, `{l|…}` a place, `{o|…}` an organisation; `{p}` is a slot. What was developed against is
 `pii_gold.names` and `pii_presidio`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from faker import Faker

from bench.pii_gold import Gold

__all__ = ["held_out"]

_kinds = {"p": "person", "l": "place", "o": "organisation"}
_slot = re.compile(r"\{([plo])(?:\|([^}]*))?\}")
_times = 4
"""How often a sentence with a slot is filled."""


def held_out(language: str, seed: int) -> list[Gold]:
    """The gold rows of `zh` or `en`; a sentence with a slot comes four times."""
    faker = Faker("zh_CN" if language == "zh" else "en_US")
    faker.seed_instance(seed)
    makers: dict[str, Callable[[], str]] = {"p": faker.name, "l": faker.city, "o": faker.company}
    if language == "en":
        makers["p"] = lambda: f"{faker.first_name()} {faker.last_name()}"
    rows = []
    for line in (CHINESE if language == "zh" else ENGLISH).strip().splitlines():
        has_slot = any(match[2] is None for match in _slot.finditer(line))
        rows += [_read(line, makers) for _ in range(_times if has_slot else 1)]
    return rows


def _read(line: str, makers: dict[str, Callable[[], str]]) -> Gold:
    text, place, spans = "", 0, []
    for match in _slot.finditer(line):
        text += line[place : match.start()]
        value = match[2] if match[2] is not None else makers[match[1]]()
        spans.append((_kinds[match[1]], len(text), len(text) + len(value)))
        text, place = text + value, match.end()
    return Gold(text + line[place:], tuple(spans))


CHINESE = """
你好，我是{p|周晓芸}，上周五在你们店买的烤箱一直没发货
麻烦把这个包裹改成{p|韩立群}收，他的电话我稍后发您
{p|欧阳静怡}的会员怎么突然降级了？
我老公{p|孟祥宇}下的单，付款的是我
请问{p|龚雪}在吗？之前一直是她跟进我的售后
客服{p|谭佳}说今天能退款，到现在也没动静
帮我转给{p|邹明}经理，他知道这件事
是{p|叶子豪}签收的，不是我本人
快递员{p|丁海涛}态度特别差，我要投诉
订单写的收件人是{p}，可是送到了别人家
我妈叫{p}，今年七十二岁，不会用手机
刚才跟{p}沟通过，她让我找你们
{p}已经三天没回我消息了
昨天{p}和{p}一起来店里看过样机
退款请打到{p}的账户，谢谢
换货单上签字的人是{p}，日期是十月八号
我把地址从{l|杭州}改到{l|苏州}，运费怎么算
寄到{l|四川省成都市武侯区天府三街218号}就行
{l|海淀区}今天能上门安装吗
人在{l|贵阳}，发票寄{l|广东省佛山市顺德区大良街道}
从{l|沈阳}发到{l|哈尔滨}要几天
你们在{l|厦门}有线下门店吗
{l|浦东新区}的师傅什么时候有空
{l}那边的仓库还有货吗
下个月搬到{l}，宽带能迁吗
我在{o|京东}上买的，为什么找你们售后
发票抬头开{o|杭州云栖信息技术有限公司}
是{o|顺丰}送的，外包装已经破了
{o}的对公订单一直卡在审核
麻烦联系{o}的采购确认一下数量
借款人{p|蒋文博}已逾期四十五天，尚欠本金三万元
经核实，{p|史丽娟}名下的信用卡于本月被冻结
{p|夏侯勇}申请提前还款，客户经理{p|曾婷}受理
担保人为{p|贺建军}，与借款人系夫妻关系
受益人填的是{p|薛明哲}，想改成{p|薛雨桐}
汇款人{p}，收款人{p}，金额五千元整
客户{p}来电咨询定期存款利率
账户持有人{p}要求挂失
{p}的贷款审批通过了没有
理财经理{p}推荐的那款产品亏了
在{o|招商银行}办的卡，年费怎么免
{o|平安人寿}的保单可以在你们这里查吗
我的工资卡是{o|中国建设银行}的，能不能绑定
去{o|工商银行城东支行}排了一上午的队
基金是在{o|蚂蚁财富}买的，净值一直没更新
转账到{o}被退回来了
{o|华泰证券}的客服让我联系你们
本行{l|南京}分行辖内网点均可办理
被保险人{p|廖志强}于{l|郑州市}出险
开户网点在{l|天津市河西区}
患者{p|卢秀英}，女，六十三岁，因胸闷三天入院
主治医师{p|田振华}建议复查血常规
{p|秦岚}的检查报告出来了吗
孩子叫{p|白一诺}，昨晚发烧到三十九度
家属{p|熊国庆}签署了手术同意书
门诊预约的是{p|崔玉梅}医生，改到下周可以吗
{p|方志远}大夫今天坐诊吗
护士{p|常娟}给打的针，现在手肿了
姓名：{p}，性别：男，年龄：四十五岁
患者{p}自述头痛伴恶心两天
{p}术后恢复良好，准予出院
病历上把{p}写成了别的名字
我挂的是{p}的号，他临时停诊了
在{o|北京协和医院}做过核磁，结果正常
转到{o|华西医院}继续治疗
{o|同仁堂}的药可以报销吗
他是{o|复旦大学附属中山医院}心内科的
父亲在{l|太原}体检时发现结节
从{l|新疆}回来之后一直咳嗽
{l|昆明市}的定点药店有哪些
原告{p|尹红霞}诉被告{p|郝大鹏}民间借贷纠纷一案
被告人{p|阎世杰}犯盗窃罪，判处有期徒刑八个月
委托代理人{p|顾清扬}，系律师
证人{p|毛小军}出庭作证
上诉人{p|司徒婉}不服一审判决
法定代表人：{p|陆远航}，职务：董事长
审判长{p|康宁}，书记员{p|邵琪}
{p|樊胜利}将房屋出租给{p|乔安娜}，月租三千
甲方（出租人）：{p}
乙方：{p}，身份证号见附件
被害人{p}陈述当晚在家
{p}与{p}于二〇一五年登记结婚
{p}拒不履行生效判决
由{p}律师出具法律意见书
本案由{o|上海市浦东新区人民法院}审理
向{o|朝阳区劳动人事争议仲裁委员会}申请仲裁
{o|大成律师事务所}接受委托
{o|北京市公安局朝阳分局}已立案侦查
被告{o}拖欠货款
申请人曾在{o|华为技术有限公司}任职
事发地点为{l|重庆市渝中区解放碑}附近
住{l|河北省石家庄市长安区中山东路97号}
户籍地{l|湖南省}，现住{l|深圳}
标的房屋位于{l}
{p|张三丰}和{p|李思思}都投诉过这个问题
老师{p|沈佳琪}说{p|余浩然}同学今天请假了
{p|林}女士您好，您的快递到了
请{p|马}先生明天上午来取件
找一下{p|小陈}
{p|王}总让我问问合同签了没
这是{p|诸葛明}的工号，请核对
{p|郭芙蓉}、{p|吕秀才}和{p|白展堂}三人共同持股
同事{p|卫东}帮我代付的
银行说户主是{p|闫凤芝}，没法代办
我想查一下{p|宋佳慧}的物流
能不能让{p|赖小民}给我回个电话
{p|纪晓岚}于昨日下午提交了材料
给{p|费翔宇}发了三封邮件都没回
对方是{p|阿依古丽}，新疆人
我高中同学{p|苏沐阳}推荐我来的
付款后马上就发货吗，我很着急
任何问题都可以联系在线客服
金额不对，余额少了两百
周末能不能送货，周一到周五家里没人
这款黄金手链方便退吗
谢谢，明白了，非常高兴
何时可以到账，时间太久了
许多人都遇到过这种情况，严重影响使用
包装完好，没有任何破损
成功支付之后页面一直转圈
高血压患者能吃这个药吗
安全问题怎么设置，程序总是闪退
左手麻木，右腿酸痛，时常头晕
温馨提示：系统升级期间暂停服务
万一丢了怎么办，有没有保价
石油和黄金的价格都在涨
方法很简单，先点设置再点安全
水费和电费一起交
白天上班，晚上才有时间
常见的原因有很多种，比如路由器老化
段落格式不对，请重新提交
项目进度严重滞后，应当承担违约责任
应于十日内向本院提交答辩状
当事人应当按照约定全面履行义务
本合同一式两份，双方各执一份
钱已经扣了，订单显示未付款
车票可以改签吗，向您请教一下
平均每天吃三次，饭后服用
连接不上，提示密码错误
请在工作日上午九点以后致电
空调不制冷，师傅上门修过一次
孕妇能不能做这个检查
严格按照说明书使用，切勿过量
利息按日计算，逾期加收罚息
申请材料不齐，需要补充说明
明天下雨，配送可能会延迟
小明的方案不错，但是成本太高
国家规定的标准是多少
手机屏幕碎了，保修期还在
单方面解除合同需要赔偿吗
华丽的外观，但是质量一般
宁可多花钱也要买正品
时候不早了，改天再聊
和平解决最好，不想打官司
江湖救急，快帮我看看
凌晨三点还在加班，太辛苦了
申请开通花呗，为什么不通过
路上堵车，司机晚点到
广告太多，关也关不掉
经理说可以打折，到了又不认
医生让我多喝水，多休息
律师费由谁承担
银行卡丢了怎么补办
在医院开的证明有效吗
我们公司想批量采购
学校门口的那家店关了
法院什么时候开庭
"""

ENGLISH = """
Hi, this is {p|Rebecca Thornton}, my parcel never arrived
Please tell {p|Marcus} that the refund has gone through
I spoke with {p|Priya Raman} yesterday and she promised a call back
Can you transfer me to Mr. {p|Delgado} in billing?
My husband {p|Owen} placed the order, not me
The package was signed for by {p|Lindiwe Khumalo}
Regards, {p|Hannah Oyelaran}
{p|Jake Morrison} keeps calling me about a debt I do not owe
who is {p|Tomasz Wojcik} and why is his name on my account
The driver, {p|Luis Ferreira}, left it in the rain
Is {p|Chloe} still working there? She was so helpful
Change the recipient from {p|Amir Haddad} to {p|Nadia Haddad} please
{p} has not received the replacement yet
Could you ask {p} to call me back before noon?
I was told by {p} that shipping is free
The name on the order should be {p}
Yesterday {p} and {p} came to collect it
Dear {p}, thank you for your patience
I'm {p} and I'd like to close my account
Your agent {p} was very rude
{p} from support said otherwise
I moved from {l|Denver} to {l|Portland} last month
Do you ship to {l|New Zealand}?
It is stuck in customs in {l|Rotterdam}
My new address is {l|48 Hawthorne Lane}, {l|Leeds}
Is there a store in {l|Birmingham}?
We will be in {l|Tuscany} until Sunday
Delivery to {l|Northern Ireland} costs extra
The warehouse in {l} is out of stock
I bought it on {o|Amazon} two weeks ago
{o|FedEx} says it was delivered, but it was not
The invoice should be made out to {o|Brightwater Logistics Ltd}
I work for {o|Hartley & Sons} and need a business account
{o} has placed a bulk order with you
The borrower, {p|Gerald Whitcombe}, is sixty days past due
{p|Yuki Tanabe} opened a joint account with {p|Ren Tanabe}
Payment was sent to {p|Olga Petrenko} by mistake
The beneficiary is {p|Samuel Adeyemi}
Guarantor: {p|Ingrid Solberg}
The account holder {p} asked for a new card
A transfer of 500 dollars from {p} was rejected
{p} disputed three charges in March
The loan officer {p} has left the company
My salary goes to {o|Barclays}, can I link it here?
I also bank with {o|Wells Fargo} and {o|HSBC}
The transfer to {o} bounced
The fund is managed by {o|Northgate Capital Partners}
{o|Lloyds Bank} declined the direct debit
The wire went through {l|Singapore} and {l|Frankfurt}
I used the cash machine in {l|Manchester} on Friday
Patient {p|Dolores Ibarra}, 71, was admitted with chest pain
Dr. {p|Weiss} recommended a second blood test
Has Nurse {p|Abigail} called with the results?
I have an appointment with Dr. {p|Farah Siddiqui} on Monday
My daughter {p|Maisie} has had a fever since last night
The report for {p|Connor Gallagher} is ready
Next of kin: {p|Beatrice Nakamura}
{p} complains of headaches and nausea
{p} was discharged on Tuesday
The patient's name is {p}, born in 1962
Biopsy results for {p} were negative
She was treated at {o|St. Mary's Hospital} in {l|Boston}
He was transferred to the {o|Mayo Clinic}
The trial is run by {o|Pfizer} and {o|Stanford University}
My father lives in {l|Queensland} and cannot travel
We came back from {l|Kenya} with a rash
The plaintiff, {p|Walter Brennan}, seeks damages
{p|Simone Laurent} v. {p|Derek Holloway} was dismissed
The witness {p|Ezekiel Turner} testified on Thursday
Counsel for the defendant, {p|Margaret Liu}, objected
The lease is between {p|Carlos Mendoza} and {p|Fiona Gallacher}
Judge {p|Harriet Coleman} presided
Signed, {p|Bartholomew Finch}
Landlord: {p}
The tenant {p} has not paid since June
{p} and {p} were married in 2015
{p} refused to comply with the order
The claim was filed by {p} in person
She used to work for {o|Meridian Insurance Group}
The case was heard in the {o|Supreme Court of Ohio}
{o|Clifford Chance} represents the bank
The defendant {o} failed to deliver
The accident happened in {l|Atlanta}, near {l|Peachtree Street}
The property is located in {l|Cook County}
He is a resident of {l|Vermont}
The contract is governed by the laws of {l|England}
{p|Smith} never answered my emails
Ask Miss {p|Havisham} about the keys
{p|Li Wei} and {p|Zhang Min} share the policy
I met {p|Giulia Conti} at your branch in {l|Milan}
Thanks, {p|Bob}
It was {p|Jennifer} who took the call
{p|Abdul Rahman} cannot log in any more
{p|Siobhan O'Neill} wants her deposit back
{p|Jean-Pierre Dubois} asked for the French version
Will you cancel my order please?
May I change the delivery date?
Mark it as urgent, I need it by Friday
The bill is wrong again this month
I want a refund for the Premium plan
My Visa card was declined twice
Why was I charged on Monday and again on Tuesday?
What is the grace period for late payments?
The Terms of Service changed in April
How do I reset my PIN?
Thank you for your help, much appreciated
The Android app crashes on start
Please confirm the order as soon as possible
Is Face ID supported on this tablet?
Good Morning, I have a question
Take one tablet twice a day with food
Blood pressure was high this morning
Hope this helps, have a nice day
The Agreement shall terminate upon written notice
Either Party may assign this Agreement
Subject to Clause 12, the Buyer shall pay the Price
The Court finds that the motion is denied
Interest accrues daily at the Base Rate
Summer Sale prices end on Sunday
Track My Order does not work
Best Regards
Customer Service told me to wait
Order Number is missing from the e-mail
Can I pay with Apple Pay or Google Pay?
Does the Warranty cover water damage?
The Free Trial ended early
Bring your Passport and Driving Licence
I would like to speak to a manager
Christmas orders are always late
Press Start, then choose Settings
My English is not very good, sorry
Rich customers get better service
Do you have this dress in Rose Gold?
I tried Chrome and Firefox, neither works
The faith I had in your company is gone
He was frank about the delay
Grant access to my account please
Close my account now
Pat dry with a clean towel
Jack is loose on the charger
The Rivers of Life plan is too expensive
Sunny days are forecast
Major changes are coming
Regular customers deserve better
Lost Card
Top Up Failed
Card Not Working
Exchange Rate for Euro
"""
